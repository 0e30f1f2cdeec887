/*
 * db/token.h - SQL text cut into the few kinds of tokens that the pool looks at.
 *
 * Lexical rules: PostgreSQL 15 manual, section 4.1 (comments nest, E'' knows backslashes,
 * dollar quotes have tags, an identifier may contain $ and digits).
 */
#ifndef SX_DB_TOKEN_H
#define SX_DB_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_QUOTED_NAME,
    TOKEN_LITERAL,
    TOKEN_SEMICOLON,
    TOKEN_OPEN,
    TOKEN_OTHER
};

struct token {
    enum token_kind kind;
    const char *text; /* borrowed; of a quoted name what is inside */
    size_t len;
};

/* Skips white space and comments, reads one token and returns where it ends.  What is not
 * closed reaches to the end of the text. */
const char *sx_db_token_next(const char *at, struct token *ret_token);

bool sx_db_token_is(const struct token *token, const char *lower_case_word);

#endif /* SX_DB_TOKEN_H */
