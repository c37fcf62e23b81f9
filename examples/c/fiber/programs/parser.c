/* A push parser: a lexer pushes tokens into a fiber, which parses arithmetic by recursive descent, and yields for each next token
 * at whatever depth. The size is how many expressions it parses.
 * Large: 100000 */
#include "check.h"
#include "fiber.h"

struct token {
    /* 'n' for a number, 0 at the end, or else the character itself. */
    char kind;
    uint32_t value;
};

/* All arithmetic wraps around. */
static uint32_t parse_sum(struct token *token);

/* Pauses until the next token is there. */
static void advance(struct token *token) {
    *token = *(struct token *)fiber_yield(NULL);
}

static uint32_t parse_factor(struct token *token) {
    uint32_t value = token->value;
    switch (token->kind) {
    case 'n':
        advance(token);
        return value;
    case '-':
        advance(token);
        return -parse_factor(token);
    default:
        CHECK(token->kind == '(');
        advance(token);
        value = parse_sum(token);
        CHECK(token->kind == ')');
        advance(token);
        return value;
    }
}

static uint32_t parse_product(struct token *token) {
    uint32_t value = parse_factor(token);
    while (token->kind == '*') {
        advance(token);
        value *= parse_factor(token);
    }
    return value;
}

static uint32_t parse_sum(struct token *token) {
    uint32_t value = parse_product(token);
    while (token->kind == '+' || token->kind == '-') {
        char kind = token->kind;
        advance(token);
        uint32_t right = parse_product(token);
        value = kind == '+' ? value + right : value - right;
    }
    return value;
}

static void *parse(void *first) {
    struct token token = *(struct token *)first;
    uint32_t value = parse_sum(&token);
    CHECK(token.kind == 0);
    return (void *)(uintptr_t)value;
}

/* Reads the text, and pushes each token into a new parser. */
static uint32_t value_of(const char *text) {
    fiber_t parser = fiber_alloc(parse);
    CHECK(parser);
    for (;;) {
        struct token token = {*text, 0};
        if (*text >= '0' && *text <= '9') {
            token.kind = 'n';
            do
                token.value = token.value * 10 + (uint32_t)(*text++ - '0');
            while (*text >= '0' && *text <= '9');
        } else if (*text) {
            text++;
        }
        fiber_result_t status;
        uint32_t value = (uint32_t)(uintptr_t)fiber_resume(parser, &token, &status);
        if (token.kind) {
            CHECK(status == FIBER_YIELD);
            continue;
        }
        CHECK(status == FIBER_OK);
        fiber_free(parser);
        return value;
    }
}

enum { DEEPEST = 8, LONG = 1 << 10 };

static char text[4 * LONG];
static uint32_t length;

static uint32_t any(uint32_t below) {
    static uint32_t random = 1;
    random = random * 1664525 + 1013904223;
    return (random >> 16) % below;
}

/* The functions that write an expression return its value. */
static uint32_t write_sum(uint32_t depth);

static uint32_t write_factor(uint32_t depth) {
    uint32_t value = 0, what = any(5);
    if (what == 0) {
        text[length++] = '-';
        return -write_factor(depth);
    }
    /* A long text gets no deeper, so that it always has an end. */
    if (what == 1 && depth < DEEPEST && length < LONG) {
        text[length++] = '(';
        value = write_sum(depth + 1);
        text[length++] = ')';
        return value;
    }
    for (uint32_t digits = 1 + any(3); digits; digits--) {
        uint32_t digit = any(10);
        text[length++] = (char)('0' + digit);
        value = value * 10 + digit;
    }
    return value;
}

static uint32_t write_product(uint32_t depth) {
    uint32_t value = write_factor(depth);
    for (uint32_t more = any(3); more; more--) {
        text[length++] = '*';
        value *= write_factor(depth);
    }
    return value;
}

static uint32_t write_sum(uint32_t depth) {
    uint32_t value = write_product(depth);
    for (uint32_t more = any(3); more; more--) {
        char kind = any(2) ? '+' : '-';
        text[length++] = kind;
        uint32_t right = write_product(depth);
        value = kind == '+' ? value + right : value - right;
    }
    return value;
}

int main(int argc, char **argv) {
    uint32_t count = size(argc, argv, 100), sum = 0;
    CHECK(value_of("2*(3-10)--4*5") == 6);
    for (uint32_t i = 0; i < count; i++) {
        length = 0;
        uint32_t expected = write_sum(0);
        CHECK(length < sizeof text);
        text[length] = 0;
        uint32_t value = value_of(text);
        CHECK(value == expected);
        sum += value;
    }
    printf("%" PRIu32 "\n", sum);
    return 0;
}
