// A small RISC-V program without a C library: hello.elf is its binary; build.sh makes it again. It prints a greeting, a
// sum that needs a loop and a call, its own arguments, and ends with their number as its status.

static long call(long number, long a, long b, long c) {
    register long a7 __asm__("a7") = number;
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
    return a0;
}

enum { SYS_exit = 93, SYS_write = 64 };

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
        unsigned quotient = value / 10;
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
    put("Hello from a 64-bit RISC-V program.\n1 + 2 + ... + 1000 = ");
    put_number(triangular(1000));
    put("\n");
    for (long i = 1; i < count; i++) {
        put(arguments[i]);
        put("\n");
    }
    call(SYS_exit, count - 1, 0, 0);
}

__attribute__((naked, noreturn)) void _start(void) {
    __asm__ volatile("mv a0, sp\n\tandi sp, sp, -16\n\ttail start");
}
