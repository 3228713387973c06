// Passes if the product of its arguments is 42 and it runs on a 64-bit ARM.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

int main(int argc, char **argv) {
    struct utsname u;
    if (argc != 3 || uname(&u) != 0) return 2;
    printf("%s: %d\n", u.machine, atoi(argv[1]) * atoi(argv[2]));
    return strcmp(u.machine, "aarch64") == 0 && atoi(argv[1]) * atoi(argv[2]) == 42 ? 0 : 1;
}
