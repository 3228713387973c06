// Prints where things are: see run.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char **argv) {
    int local;
    void *mapped = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("stack %lx map %lx heap %lx main %lx\n", (unsigned long)&local, (unsigned long)mapped,
           (unsigned long)malloc(16), (unsigned long)main);
    if (argc > 1) abort();
    return 0;
}
