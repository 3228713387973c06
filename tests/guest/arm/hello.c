// A small ARM program without a C library: the README's first example. hello.elf is its binary;
// build.sh makes it again. It prints a greeting, a sum that needs a loop and a call, its own
// arguments, and ends with their number as its status.

static long call(long number, long a, long b, long c) {
    register long r7 __asm__("r7") = number;
    register long r0 __asm__("r0") = a;
    register long r1 __asm__("r1") = b;
    register long r2 __asm__("r2") = c;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2) : "memory");
    return r0;
}

enum { SYS_exit = 1, SYS_write = 4 };

static void put(const char *text) {
    long length = 0;
    while (text[length]) length++;
    call(SYS_write, 1, (long)text, length);
}

static void put_number(unsigned value) {
    char digits[11];
    int at = 10;
    digits[at] = 0;
    do {
        // No divide instruction is assumed.
        unsigned quotient = (unsigned)(((unsigned long long)value * 0xCCCCCCCDu) >> 35);
        digits[--at] = (char)('0' + (value - quotient * 10));
        value = quotient;
    } while (value);
    put(&digits[at]);
}

__attribute__((noinline)) static unsigned triangular(unsigned n) {
    return n ? n + triangular(n - 1) : 0;
}

__attribute__((used)) static void start(long *stack) {
    long count = stack[0];
    char **arguments = (char **)&stack[1];
    put("Hello from a 32-bit ARM program.\n1 + 2 + ... + 1000 = ");
    put_number(triangular(1000));
    put("\n");
    for (long i = 1; i < count; i++) {
        put(arguments[i]);
        put("\n");
    }
    call(SYS_exit, count - 1, 0, 0);
}

__attribute__((naked, noreturn)) void _start(void) {
    __asm__ volatile("mov r0, sp\n\tbic sp, sp, #7\n\tb start");
}
