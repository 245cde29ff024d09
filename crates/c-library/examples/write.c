/*
 * Continues a prompt with a model:
 *
 *     write MODEL [PROMPT [LENGTH [TEMPERATURE [SEED]]]]
 *
 * A prompt "" is an empty text; without one the model starts by itself.
 */
#include <scrimshaw.h>
#include <stdio.h>
#include <stdlib.h>

/* Prints each piece as soon as it is written. Stops the text if nobody can read it any more. */
static int print(const char *text, size_t length, void *user) {
    FILE *file = user;
    return fwrite(text, 1, length, file) != length || fflush(file) != 0;
}

int main(int count, char **words) {
    if (count < 2 || count > 6) {
        fprintf(stderr, "usage: %s MODEL [PROMPT [LENGTH [TEMPERATURE [SEED]]]]\n", words[0]);
        return 2;
    }
    scrimshaw_options options = scrimshaw_options_default();
    if (count > 2)
        options.prompt = words[2];
    if (count > 3)
        options.length = strtoul(words[3], NULL, 10);
    if (count > 4)
        options.temperature = strtof(words[4], NULL);
    if (count > 5)
        options.seed = strtoull(words[5], NULL, 10);

    scrimshaw_model *model;
    scrimshaw_status status = scrimshaw_open(words[1], &model);
    if (status == SCRIMSHAW_STATUS_OK) {
        status = scrimshaw_generate(model, &options, print, stdout);
        scrimshaw_close(model);
    }
    if (status != SCRIMSHAW_STATUS_OK) {
        fprintf(stderr, "error: %s\n", scrimshaw_last_error());
        return 1;
    }
    return 0;
}
