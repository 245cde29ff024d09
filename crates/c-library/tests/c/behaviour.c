/*
 * What the library does with bad input, with callbacks and with threads. Arguments: a folder of models, and a file that is
 * no model. Ends with 0 if everything is as it should be, and names what is not.
 */
#include <math.h>
#include <pthread.h>
#include <scrimshaw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define CHECK(condition)                                                                        \
    do {                                                                                        \
        if (!(condition)) {                                                                     \
            fprintf(stderr, "%s:%d: %s (last error: %s)\n", __FILE__, __LINE__, #condition,     \
                    scrimshaw_last_error());                                                    \
            failures++;                                                                         \
        }                                                                                       \
    } while (0)

/* The call is answered with this status, and a message that has this part. */
#define REFUSED(call, expected, part)                                                           \
    do {                                                                                        \
        CHECK((call) == (expected));                                                            \
        CHECK(strstr(scrimshaw_last_error(), (part)) != NULL);                                  \
    } while (0)

/* A text that grows up to its end, and a number of pieces after which it wants no more. */
typedef struct {
    char bytes[4096];
    size_t length;
    size_t pieces;
    size_t most;
} text;

static int append(const char *piece, size_t length, void *user) {
    text *target = user;
    CHECK(piece[length] == '\0');
    CHECK(target->length + length < sizeof target->bytes);
    memcpy(target->bytes + target->length, piece, length + 1);
    target->length += length;
    return ++target->pieces == target->most;
}

static int sum(const char *piece, size_t length, float nats, void *user) {
    CHECK(length > 0 && piece[length] == '\0');
    double *total = user;
    if (!isnan(nats))
        *total += nats;
    return 0;
}

static scrimshaw_model *open_model(const char *folder, const char *name) {
    char path[4096];
    scrimshaw_model *model;
    snprintf(path, sizeof path, "%s/%s.onnx", folder, name);
    CHECK(scrimshaw_open(path, &model) == SCRIMSHAW_STATUS_OK);
    return model;
}

static void files(const char *folder, const char *no_model) {
    scrimshaw_model *model = (scrimshaw_model *)&failures;
    REFUSED(scrimshaw_open(no_model, &model), SCRIMSHAW_STATUS_BAD_MODEL, "not an ONNX file");
    CHECK(model == NULL);
    REFUSED(scrimshaw_open("no/such/file.onnx", &model), SCRIMSHAW_STATUS_CANNOT_READ, "no/such/file.onnx");
    REFUSED(scrimshaw_open(folder, &model), SCRIMSHAW_STATUS_CANNOT_READ, "is a folder");
    REFUSED(scrimshaw_open(NULL, &model), SCRIMSHAW_STATUS_BAD_ARGUMENT, "`path` is null");
    REFUSED(scrimshaw_open(no_model, NULL), SCRIMSHAW_STATUS_BAD_ARGUMENT, "`model` is null");
    REFUSED(scrimshaw_open_memory(NULL, 0, &model), SCRIMSHAW_STATUS_BAD_ARGUMENT, "`bytes` is null");
    REFUSED(scrimshaw_open_memory((const uint8_t *)"ahoy", 4, &model), SCRIMSHAW_STATUS_BAD_MODEL, "ONNX");
    REFUSED(scrimshaw_open_memory((const uint8_t *)"ahoy", SIZE_MAX, &model), SCRIMSHAW_STATUS_BAD_ARGUMENT, "bytes");

    /* Whole, cut short at many places, and with a changed byte here and there. */
    char path[4096];
    static uint8_t bytes[1 << 16];
    snprintf(path, sizeof path, "%s/stateful.onnx", folder);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    if (file == NULL)
        return;
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    CHECK(scrimshaw_open_memory(bytes, length, &model) == SCRIMSHAW_STATUS_OK);
    CHECK(scrimshaw_close(model) == SCRIMSHAW_STATUS_OK);
    for (size_t cut = 0; cut < length; cut += 97)
        CHECK(scrimshaw_open_memory(bytes, cut, &model) == SCRIMSHAW_STATUS_BAD_MODEL);
    int refused = 0;
    for (size_t place = 0; place < length; place += 97) {
        bytes[place] ^= 1;
        if (scrimshaw_open_memory(bytes, length, &model) == SCRIMSHAW_STATUS_OK)
            CHECK(scrimshaw_close(model) == SCRIMSHAW_STATUS_OK);
        else
            refused++;
        bytes[place] ^= 1;
    }
    CHECK(refused > 0);
    static const char *bad[] = {"no-card", "other-card", "newer-card", "lying-logits", "lying-state", "unknown-operator"};
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        snprintf(path, sizeof path, "%s/%s.onnx", folder, bad[index]);
        CHECK(scrimshaw_open(path, &model) == SCRIMSHAW_STATUS_BAD_MODEL && model == NULL);
    }
}

static void settings(scrimshaw_model *model) {
    text written = {0};
    scrimshaw_options options = scrimshaw_options_default();
    options.prompt = "The sea";
#define WITH(field, value, status, part)                                                        \
    do {                                                                                        \
        scrimshaw_options changed = options;                                                    \
        changed.field = (value);                                                                \
        REFUSED(scrimshaw_generate(model, &changed, append, &written), status, part);           \
    } while (0)
    WITH(temperature, -0.5f, SCRIMSHAW_STATUS_BAD_ARGUMENT, "temperature of -0.5");
    WITH(temperature, NAN, SCRIMSHAW_STATUS_BAD_ARGUMENT, "temperature of NaN");
    WITH(top_p, 0.0f, SCRIMSHAW_STATUS_BAD_ARGUMENT, "top-p of 0");
    WITH(top_p, 1.5f, SCRIMSHAW_STATUS_BAD_ARGUMENT, "top-p of 1.5");
    WITH(min_p, 2.0f, SCRIMSHAW_STATUS_BAD_ARGUMENT, "min-p of 2");
    WITH(repetition_penalty, 0.0f, SCRIMSHAW_STATUS_BAD_ARGUMENT, "repetition penalty of 0");
    WITH(prompt, "Sea \xe2\x82\xac", SCRIMSHAW_STATUS_BAD_TEXT, "U+20AC");
    WITH(prompt, "Sea \xff", SCRIMSHAW_STATUS_BAD_TEXT, "`prompt` is not UTF-8 at byte 4");
    WITH(prompt, "", SCRIMSHAW_STATUS_BAD_TEXT, "nothing to continue");
    WITH(stop_count, 1, SCRIMSHAW_STATUS_BAD_ARGUMENT, "`stops` is null");
    const char *stops[] = {".", "\xe2\x82\xac", "", "\xff", NULL};
    options.stops = stops;
    WITH(stop_count, 2, SCRIMSHAW_STATUS_BAD_TEXT, "does not write");
    options.stops = stops + 2;
    WITH(stop_count, 1, SCRIMSHAW_STATUS_BAD_TEXT, "leaves no text");
    options.stops = stops + 3;
    WITH(stop_count, 1, SCRIMSHAW_STATUS_BAD_TEXT, "not UTF-8");
    options.stops = stops + 4;
    WITH(stop_count, 1, SCRIMSHAW_STATUS_BAD_ARGUMENT, "`stops` is null");
#undef WITH
    REFUSED(scrimshaw_generate(NULL, &options, append, NULL), SCRIMSHAW_STATUS_BAD_ARGUMENT, "`model` is null");
    REFUSED(scrimshaw_generate(model, NULL, append, NULL), SCRIMSHAW_STATUS_BAD_ARGUMENT, "`options` is null");
    REFUSED(scrimshaw_generate(model, &options, NULL, NULL), SCRIMSHAW_STATUS_BAD_ARGUMENT, "`callback` is null");
    /* Nothing was written, and the model still writes: up to its length, or to a stop text. */
    CHECK(written.pieces == 0);
    CHECK(scrimshaw_generate(model, &options, append, &written) == SCRIMSHAW_STATUS_OK);
    CHECK(written.pieces == 400 && written.length >= 400);
    text stopped = {0};
    options.stops = stops;
    options.stop_count = 1;
    CHECK(scrimshaw_generate(model, &options, append, &stopped) == SCRIMSHAW_STATUS_OK);
    CHECK(stopped.length > 0 && stopped.length < 400);
    CHECK(strchr(stopped.bytes, '.') == stopped.bytes + stopped.length - 1);
    CHECK(strncmp(stopped.bytes, written.bytes, stopped.length) == 0);
}

static void scores(scrimshaw_model *model) {
    double total = 0;
    CHECK(scrimshaw_score(model, "The sea", 7, sum, &total) == SCRIMSHAW_STATUS_OK);
    CHECK(total > 0);
    REFUSED(scrimshaw_score(model, NULL, 0, sum, &total), SCRIMSHAW_STATUS_BAD_ARGUMENT, "`text` is null");
    REFUSED(scrimshaw_score(model, "a", 1, NULL, NULL), SCRIMSHAW_STATUS_BAD_ARGUMENT, "`callback` is null");
    REFUSED(scrimshaw_score(NULL, "a", 1, sum, &total), SCRIMSHAW_STATUS_BAD_ARGUMENT, "`model` is null");
    REFUSED(scrimshaw_score(model, "\xe2\x82\xac", 3, sum, &total), SCRIMSHAW_STATUS_BAD_TEXT, "U+20AC");

    float logits[1024];
    size_t count = 0;
    REFUSED(scrimshaw_logits(model, "The", 3, NULL, 0, &count), SCRIMSHAW_STATUS_BAD_ARGUMENT, "room for 0");
    CHECK(count > 0 && count < 1024);
    REFUSED(scrimshaw_logits(model, "The", 3, NULL, count, &count), SCRIMSHAW_STATUS_BAD_ARGUMENT, "`logits` is null");
    REFUSED(scrimshaw_logits(model, "The", 3, logits, count, NULL), SCRIMSHAW_STATUS_BAD_ARGUMENT, "`count` is null");
    REFUSED(scrimshaw_logits(model, "", 0, logits, count, &count), SCRIMSHAW_STATUS_BAD_TEXT, "nothing to continue");
    CHECK(scrimshaw_logits(model, "The", 3, logits, count, &count) == SCRIMSHAW_STATUS_OK);
    for (size_t index = 0; index < count; index++)
        CHECK(isfinite(logits[index]));
    const char *card = scrimshaw_card_json(model);
    CHECK(card != NULL && strstr(card, "\"vocabulary\"") != NULL);
    CHECK(scrimshaw_card_json(NULL) == NULL);
    CHECK(strlen(scrimshaw_version()) >= 5);
}

/* Scores with the model that is writing, then closes it. */
static int interfere(const char *piece, size_t length, void *user) {
    scrimshaw_model *model = *(scrimshaw_model **)user;
    double total = 0;
    scrimshaw_status status = scrimshaw_score(model, piece, length, sum, &total);
    CHECK(status == SCRIMSHAW_STATUS_OK || status == SCRIMSHAW_STATUS_NOT_OPEN);
    scrimshaw_close(model);
    return 0;
}

static void callbacks(const char *folder) {
    scrimshaw_model *model = open_model(folder, "stateful");
    scrimshaw_options options = scrimshaw_options_default();
    text written = {.most = 5};
    CHECK(scrimshaw_generate(model, &options, append, &written) == SCRIMSHAW_STATUS_OK);
    CHECK(written.pieces == 5);
    CHECK(scrimshaw_generate(model, &options, interfere, &model) == SCRIMSHAW_STATUS_OK);

    /* Closed now, and so it stays when another is opened. */
    scrimshaw_model *other = open_model(folder, "window");
    size_t count;
    CHECK(other != model);
    REFUSED(scrimshaw_close(model), SCRIMSHAW_STATUS_NOT_OPEN, "not open");
    REFUSED(scrimshaw_generate(model, &options, append, &written), SCRIMSHAW_STATUS_NOT_OPEN, "not open");
    REFUSED(scrimshaw_score(model, "a", 1, sum, NULL), SCRIMSHAW_STATUS_NOT_OPEN, "not open");
    REFUSED(scrimshaw_logits(model, "a", 1, NULL, 0, &count), SCRIMSHAW_STATUS_NOT_OPEN, "not open");
    CHECK(scrimshaw_card_json(model) == NULL);
    CHECK(scrimshaw_close((scrimshaw_model *)&failures) == SCRIMSHAW_STATUS_NOT_OPEN);
    CHECK(scrimshaw_close(NULL) == SCRIMSHAW_STATUS_OK);
    CHECK(scrimshaw_close(other) == SCRIMSHAW_STATUS_OK);
}

typedef struct {
    scrimshaw_model *model;
    text written;
    scrimshaw_status status;
} job;

static void *work(void *argument) {
    job *own = argument;
    scrimshaw_options options = scrimshaw_options_default();
    options.seed = 7;
    own->status = scrimshaw_generate(own->model, &options, append, &own->written);
    return NULL;
}

static void threads(scrimshaw_model *model) {
    static job jobs[4];
    pthread_t running[4];
    for (int index = 0; index < 4; index++) {
        jobs[index].model = model;
        CHECK(pthread_create(&running[index], NULL, work, &jobs[index]) == 0);
    }
    for (int index = 0; index < 4; index++) {
        pthread_join(running[index], NULL);
        CHECK(jobs[index].status == SCRIMSHAW_STATUS_OK);
        CHECK(jobs[index].written.length > 0);
        CHECK(strcmp(jobs[index].written.bytes, jobs[0].written.bytes) == 0);
    }
}

int main(int count, char **words) {
    if (count != 3)
        return 2;
    CHECK(strcmp(scrimshaw_last_error(), "") == 0);
    files(words[1], words[2]);
    scrimshaw_model *model = open_model(words[1], "stateful");
    settings(model);
    scores(model);
    threads(model);
    CHECK(scrimshaw_close(model) == SCRIMSHAW_STATUS_OK);
    callbacks(words[1]);
    return failures != 0;
}
