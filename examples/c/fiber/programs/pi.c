/* A fiber finds the decimal digits of pi and yields each: a long time passes between two yields. The size is how many digits.
 * Large: 8000 */
#include "check.h"
#include "fiber.h"

static const char KNOWN[] = "31415926535897932384626433832795028841971693993751"
                            "05820974944592307816406286208998628034825342117067";

/* The spigot of Rabinowitz and Wagon: pi is 2 + 1/3 (2 + 2/5 (2 + 3/7 (2 + ...))), and ten times a number in that mixed radix
 * carries the next digit over. */
static void *digits(void *arg) {
    uint32_t left = *(uint32_t *)arg;
    /* With some digits to spare, as the last ones are not exact. */
    uint32_t length = (left + 16) / 3 * 10 + 10;
    uint32_t *numbers = malloc(length * sizeof *numbers);
    CHECK(numbers);
    for (uint32_t i = 0; i < length; i++)
        numbers[i] = 2;
    /* A later carry may still change the last digit that is not a nine, and the nines after it. At first there is none. */
    uint32_t held = 0, nines = 0, any = 0;
    while (left) {
        uint32_t carry = 0;
        for (uint32_t i = length - 1; i > 0; i--) {
            uint32_t number = numbers[i] * 10 + carry * (i + 1);
            numbers[i] = number % (2 * i + 1);
            carry = number / (2 * i + 1);
        }
        uint32_t number = numbers[0] * 10 + carry;
        numbers[0] = number % 10;
        uint32_t digit = number / 10;
        if (digit == 9) {
            nines++;
            continue;
        }
        carry = digit / 10;
        if (any) {
            fiber_yield((void *)(uintptr_t)(held + carry));
            left--;
        }
        for (; nines && left; nines--, left--)
            fiber_yield((void *)(uintptr_t)(carry ? 0 : 9));
        held = digit % 10;
        nines = 0;
        any = 1;
    }
    free(numbers);
    return NULL;
}

int main(int argc, char **argv) {
    uint32_t count = size(argc, argv, 100), found = 0, sum = 0, nines = 0;
    fiber_t fiber = fiber_alloc(digits);
    CHECK(fiber);
    fiber_result_t status;
    for (;; found++) {
        uint32_t digit = (uint32_t)(uintptr_t)fiber_resume(fiber, &count, &status);
        if (status != FIBER_YIELD)
            break;
        if (found < sizeof KNOWN - 1)
            CHECK(digit == (uint32_t)(KNOWN[found] - '0'));
        /* The first six nines in a row are those from the 763rd digit on. */
        nines = digit == 9 ? nines + 1 : 0;
        CHECK(found > 767 || (nines == 6) == (found == 767));
        sum += digit;
    }
    CHECK(status == FIBER_OK && found == count);
    fiber_free(fiber);
    printf("%" PRIu32 " digits, sum %" PRIu32 "\n", count, sum);
    return 0;
}
