/*
 * Scrimshaw: writes and scores text with an exported model.
 *
 * Made from the Rust sources by cbindgen; do not edit.
 *
 * Text is UTF-8. What a function returns as a status is SCRIMSHAW_STATUS_OK or says what went wrong, and
 * scrimshaw_last_error() has the message. A null pointer is answered with SCRIMSHAW_STATUS_BAD_ARGUMENT
 * wherever the function does not say what null means. Any other pointer must point to what the function
 * expects, which may be freed or changed as soon as the function has returned.
 *
 * Threads: any thread may use any model, and several may use one model at the same time. Every call has a
 * network state of its own and shares the weights, so no call waits until another has written its text.
 *
 * A model that was closed may still be named: a call with it is answered with SCRIMSHAW_STATUS_NOT_OPEN, in
 * any thread, as long as the process lives.
 *
 * Callbacks run in the thread that made the call. They may call any function of this header, with the same
 * model too. They must return: a C++ exception or longjmp() out of a callback is undefined behaviour.
 */

#ifndef SCRIMSHAW_H
#define SCRIMSHAW_H

#include <stddef.h>
#include <stdint.h>

/**
 * What a function answers. The values stay the same in later versions; new ones may be added.
 */
typedef enum {
  /**
   * It worked.
   */
  SCRIMSHAW_STATUS_OK = 0,
  /**
   * A pointer is null that must not be, or a setting is out of range.
   */
  SCRIMSHAW_STATUS_BAD_ARGUMENT = 1,
  /**
   * The model is not open: it was closed, or never opened.
   */
  SCRIMSHAW_STATUS_NOT_OPEN = 2,
  /**
   * A text is not UTF-8, has a character that the model does not know, or is empty where there is nothing to continue.
   */
  SCRIMSHAW_STATUS_BAD_TEXT = 3,
  /**
   * The file or the bytes are not a model, are damaged, or need a newer version of this library.
   */
  SCRIMSHAW_STATUS_BAD_MODEL = 4,
  /**
   * The file cannot be read.
   */
  SCRIMSHAW_STATUS_CANNOT_READ = 5,
  /**
   * There is no memory for the model or the text.
   */
  SCRIMSHAW_STATUS_OUT_OF_MEMORY = 6,
  /**
   * A defect of this library. The model can still be used.
   */
  SCRIMSHAW_STATUS_INTERNAL = 7,
} scrimshaw_status;

/**
 * An open model.
 */
typedef struct scrimshaw_model scrimshaw_model;

/**
 * The settings of a text. Start from scrimshaw_options_default(), and change what should be different.
 */
typedef struct {
  /**
   * The text to continue, ending in a zero byte. Null: a new document, or the model's own first text.
   */
  const char *prompt;
  /**
   * Number of characters to write. Default: 400.
   */
  size_t length;
  /**
   * Sampling temperature: below 1 is more predictable, above 1 more random; 0 always takes the likeliest character.
   * Default: 0.5.
   */
  float temperature;
  /**
   * Sample only from this many of the likeliest characters. 0, the default: from all.
   */
  size_t top_k;
  /**
   * Sample only from the fewest likeliest characters whose probabilities reach this sum; above 0, at most 1. 1, the
   * default: from all.
   */
  float top_p;
  /**
   * Sample only from characters at least this many times as likely as the likeliest; 0 to 1. 0, the default: from all.
   */
  float min_p;
  /**
   * Divide the positive logits of the last 64 characters by this, and multiply the negative ones; above 0. 1, the
   * default: no penalty.
   */
  float repetition_penalty;
  /**
   * The random seed. The same model, settings and seed give the same text. Default: 0.
   */
  uint64_t seed;
  /**
   * Texts, each ending in a zero byte: the text ends after any of them. May be null if there are none, the default.
   */
  const char *const *stops;
  /**
   * Number of these texts.
   */
  size_t stop_count;
  /**
   * If not 0, finish the last word, even if the text becomes longer than `length`. Default: 0.
   */
  int words;
} scrimshaw_options;

/**
 * Receives the text piece by piece: usually one character, of `length` bytes, with a zero byte after them. `user` is what
 * the caller passed. Any other answer than 0 ends the text. The piece is valid until the callback returns.
 */
typedef int (*scrimshaw_text_callback)(const char *text, size_t length, void *user);

/**
 * Receives one character of the text, of `length` bytes, with a zero byte after them, and how surprising it is: minus the
 * natural logarithm of its probability. NaN: the first character has no score, unless the model was trained on documents.
 * Any other answer than 0 ends the scores. The character is valid until the callback returns.
 */
typedef int (*scrimshaw_score_callback)(const char *text, size_t length, float nats, void *user);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The message of the last call in this thread that failed, in English; empty if none has. It is valid until the next
 * call in this thread that fails, or until the thread ends.
 */
const char *scrimshaw_last_error(void);

/**
 * Opens an exported model, an ONNX file. Sets `*model` to it, or to null if that fails. `path` ends in a zero byte.
 */
scrimshaw_status scrimshaw_open(const char *path,
                                scrimshaw_model **model);

/**
 * Opens a model whose file the caller has read into memory. Sets `*model` to it, or to null if that fails. The bytes may
 * be freed afterwards.
 */
scrimshaw_status scrimshaw_open_memory(const uint8_t *bytes,
                                       size_t length,
                                       scrimshaw_model **model);

/**
 * Closes a model and frees its memory, as soon as no other thread uses it. Null is allowed and does nothing.
 */
scrimshaw_status scrimshaw_close(scrimshaw_model *model);

/**
 * The model's card as JSON: its characters, its sizes, what it was trained on. The text ends in a zero byte and is valid
 * until the model is closed. Null if the model is not open.
 */
const char *scrimshaw_card_json(const scrimshaw_model *model);

/**
 * The version of this library, such as "0.1.0".
 */
const char *scrimshaw_version(void);

/**
 * The default settings.
 */
scrimshaw_options scrimshaw_options_default(void);

/**
 * Continues the prompt, and passes what it writes to the callback. Returns when the text has reached its length, ends in
 * a stop text or at the end of a document, or when the callback ends it: SCRIMSHAW_STATUS_OK for each of them.
 *
 * Nothing is written if the settings cannot be used.
 */
scrimshaw_status scrimshaw_generate(const scrimshaw_model *model,
                                    const scrimshaw_options *options,
                                    scrimshaw_text_callback callback,
                                    void *user);

/**
 * Scores a text of `length` bytes, and passes each of its characters to the callback with its surprise in nats. The text is
 * normalised as the model was trained: it may be in lower case then, for example.
 */
scrimshaw_status scrimshaw_score(const scrimshaw_model *model,
                                 const char *text,
                                 size_t length,
                                 scrimshaw_score_callback callback,
                                 void *user);

/**
 * Computes the logits of what may follow a text of `length` bytes, one per entry of the model's vocabulary: see
 * scrimshaw_card_json(). There are `*count` of them. `capacity` is how many floats `logits` has room for; with fewer than
 * `*count` nothing is computed and the answer is SCRIMSHAW_STATUS_BAD_ARGUMENT. With a capacity of 0, `logits` may be null.
 */
scrimshaw_status scrimshaw_logits(const scrimshaw_model *model,
                                  const char *text,
                                  size_t length,
                                  float *logits,
                                  size_t capacity,
                                  size_t *count);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SCRIMSHAW_H */
