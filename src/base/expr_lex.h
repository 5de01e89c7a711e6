/* expr_lex.h - the text of an expression as tokens, and the mistakes found in it. For expr_lex.c and expr_parse.c only. */
#ifndef GM_BASE_EXPR_LEX_H
#define GM_BASE_EXPR_LEX_H

#include "base/expr_internal.h"

typedef enum gm_token_kind { GM_TOKEN_END, GM_TOKEN_LITERAL, GM_TOKEN_NAME, GM_TOKEN_WORD } gm_token_kind;

typedef struct gm_token {
    gm_token_kind kind;
    const char *text;  /* NAME: the name; WORD: "<=", "and", ...; static or in arena */
    const char *start; /* in the source */
    size_t len;
    gm_expr literal; /* LITERAL */
    gm_pos pos;
} gm_token;

typedef struct gm_expr_source {
    gm_arena *a;      /* borrowed */
    gm_errs *errs;    /* borrowed */
    gm_token *tokens; /* [count] in arena; the last one is GM_TOKEN_END */
    size_t count;
    gm_pos last_error;
    size_t errors;
    bool stopped; /* nothing more is reported */
    bool no_memory;
} gm_expr_source;

/* Fill tokens from text. Errors: GM_EINVALID, reported, when the text is too long or not UTF-8: there are no tokens then.
 * GM_ENOMEM, not reported. Other mistakes are reported and counted, and reading goes on behind them. */
gm_rc gm_expr_lex(gm_expr_source *in, const char *text, gm_pos at);
/* Report a mistake; each place once. */
void gm_expr_fail(gm_expr_source *in, gm_pos at, const char *hint, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The word of the language that word[len] is, static; NULL when it is none. */
const char *gm_expr_keyword(const char *word, size_t len);

#endif
