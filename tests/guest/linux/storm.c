// Everything at once: threads that map and unmap memory, fork, execute this program again, write and run code, jump out
// of signal handlers and allocate, while timers and other threads send signals. Prints "ok" if every part saw what it
// should have. Seconds from argv[1] or STORM_SECONDS, else 2.
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_int stop, failures;
static atomic_long handled, forks, execs, maps, codes, jumps;
static const char *self;

#define CHECK(c) do { if (!(c)) { \
    fprintf(stderr, "storm: line %d: %s (errno %d)\n", __LINE__, #c, errno); atomic_fetch_add(&failures, 1); } } while (0)

static void on_signal(int sig) { (void)sig; int e = errno; atomic_fetch_add(&handled, 1); errno = e; }

static unsigned next(unsigned *seed) { *seed = *seed * 1103515245u + 12345u; return *seed >> 8; }

// ---- memory: each page holds its own address, across mremap, mprotect and holes ----
static void *mapper(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg * 77 + 1;
    while (!atomic_load(&stop)) {
        size_t pages = 1 + next(&seed) % 20, len = pages * 4096;
        char *p = mmap(0, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) { CHECK(errno == ENOMEM); continue; }
        for (size_t i = 0; i < pages; i++) *(volatile uintptr_t *)(p + i * 4096) = i * 3 + 1;
        char *q = mremap(p, len, len * 2, MREMAP_MAYMOVE);
        CHECK(q != MAP_FAILED);
        if (q == MAP_FAILED) q = p;
        for (size_t i = 0; i < pages; i++) CHECK(*(volatile uintptr_t *)(q + i * 4096) == i * 3 + 1);
        CHECK(mprotect(q, 4096, PROT_READ) == 0);
        CHECK(*(volatile uintptr_t *)q == 1);
        // The middle page first, and then what is around it: a hole is soon somebody else's.
        CHECK(munmap(q + 4096, 4096) == 0);
        CHECK(munmap(q, 4096) == 0);
        if (len > 4096) CHECK(munmap(q + 8192, len * 2 - 8192) == 0);
        atomic_fetch_add(&maps, 1);
    }
    return 0;
}

// ---- faults and longjmp out of handlers ----
static __thread sigjmp_buf landing;
static __thread volatile uintptr_t expected;
static __thread volatile int armed;
static void on_fault(int sig, siginfo_t *info, void *uc) {
    (void)uc;
    if (!armed || (uintptr_t)info->si_addr != expected) {
        static const char text[] = "storm: a fault that nobody expected\n";
        (void)!write(2, text, sizeof text - 1);
        signal(sig, SIG_DFL);
        return;
    }
    armed = 0;
    siglongjmp(landing, 1);
}
static void *jumper(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg * 31 + 5;
    char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    CHECK(mprotect(p + 4096, 4096, PROT_NONE) == 0);
    while (!atomic_load(&stop)) {
        volatile unsigned count = next(&seed) & 7;
        expected = (uintptr_t)(p + 4096 + 8 * count);
        armed = 1;
        if (!sigsetjmp(landing, 1)) {
            *(volatile char *)expected = 1;
            CHECK(0);
        }
        CHECK(count < 8);
        atomic_fetch_add(&jumps, 1);
    }
    return 0;
}

// ---- code that is written, run, and written again ----
// A function that gives a constant, per architecture: how to make it.
#if defined(__arm__) && !defined(__thumb__)
static size_t make(uint32_t *w, unsigned v) { w[0] = 0xe3a00000u | (v & 0xff); w[1] = 0xe12fff1eu; return 8; }
#elif defined(__arm__)
static size_t make(uint32_t *w, unsigned v) { uint16_t *h = (uint16_t *)w; h[0] = 0x2000 | (v & 0xff); h[1] = 0x4770; return 4; }
#elif defined(__aarch64__)
static size_t make(uint32_t *w, unsigned v) { w[0] = htole32(0xd2800000u | (v & 0xff) << 5); w[1] = htole32(0xd65f03c0u); return 8; }
#elif defined(__riscv)
static size_t make(uint32_t *w, unsigned v) { w[0] = 0x00000513u | (v & 0xff) << 20; w[1] = 0x00008067u; return 8; }
#elif defined(__powerpc__) && (!defined(__powerpc64__) || _CALL_ELF == 2)
static size_t make(uint32_t *w, unsigned v) { w[0] = 0x38600000u | (v & 0xff); w[1] = 0x4e800020u; return 8; }
#elif defined(__x86_64__)
static size_t make(uint32_t *w, unsigned v) { unsigned char *b = (unsigned char *)w; b[0] = 0xb8; memcpy(b + 1, &(unsigned){v & 0xff}, 4); b[5] = 0xc3; return 6; }
#else
#define NO_CODE
#endif
static void *coder(void *arg) {
#ifndef NO_CODE
    unsigned seed = (unsigned)(uintptr_t)arg * 13 + 9;
    char *p = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    while (!atomic_load(&stop)) {
        unsigned v = next(&seed) & 0xff, at = (next(&seed) % 32) * 64;
        size_t n = make((uint32_t *)(p + at), v);
        __builtin___clear_cache(p + at, p + at + n);
        uintptr_t f = (uintptr_t)(p + at);
#ifdef __thumb__
        f |= 1;
#endif
        CHECK(((unsigned (*)(void))f)() == v);
        atomic_fetch_add(&codes, 1);
    }
#else
    (void)arg;
#endif
    return 0;
}

// ---- children: fork and look, or execute this program ----
static void wait_for(pid_t pid, int want) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) if (errno != EINTR) { CHECK(0); return; }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == want);
}
static void *forker(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg * 7 + 3;
    while (!atomic_load(&stop)) {
        unsigned v = next(&seed) & 63;
        char *heap = malloc(100 + v);
        memset(heap, (int)v, 100);
        pid_t pid = fork();
        if (pid == 0) {
            // The child has one thread; the heap and the locks of the C library must be usable.
            char *more = malloc(5000);
            memset(more, 1, 5000);
            _exit(heap[99] == (char)v ? (int)v : 99);
        }
        CHECK(pid > 0);
        if (pid > 0) wait_for(pid, (int)v);
        free(heap);
        atomic_fetch_add(&forks, 1);
    }
    return 0;
}
static void *execer(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        char *args[] = {(char *)self, "child", 0};
        pid_t pid = vfork();
        if (pid == 0) {
            execve(self, args, environ);
            _exit(98);
        }
        CHECK(pid > 0);
        if (pid > 0) wait_for(pid, 17);
        atomic_fetch_add(&execs, 1);
        struct timespec pause = {0, 20000000};
        nanosleep(&pause, 0);
    }
    return 0;
}

// ---- threads that come and go under signals ----
static void *brief(void *arg) { return (void *)((uintptr_t)arg * 2 + 1); }
static void *spawner(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg;
    while (!atomic_load(&stop)) {
        uintptr_t v = next(&seed) & 0xffff;
        pthread_t t;
        int rc = pthread_create(&t, 0, brief, (void *)v);
        if (rc == EAGAIN) continue;
        CHECK(rc == 0);
        pthread_kill(t, SIGUSR1);
        void *got;
        CHECK(pthread_join(t, &got) == 0);
        CHECK((uintptr_t)got == v * 2 + 1);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "child")) return 17;
    const char *given = argc > 1 ? argv[1] : getenv("STORM_SECONDS");
    int seconds = given ? atoi(given) : 2;
    self = argv[0];
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &sa, 0);
    sigaction(SIGALRM, &sa, 0);
    struct sigaction fa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &fa, 0);
    void *(*const jobs[])(void *) = {mapper, jumper, coder, forker, execer, spawner, mapper, coder};
    enum { JOBS = sizeof jobs / sizeof *jobs };
    pthread_t threads[JOBS];
    for (int i = 0; i < JOBS; i++) CHECK(pthread_create(&threads[i], 0, jobs[i], (void *)(uintptr_t)(i + 1)) == 0);
    struct itimerval every = {{0, 3000}, {0, 3000}};
    setitimer(ITIMER_REAL, &every, 0);
    time_t end = time(0) + seconds;
    unsigned seed = 42;
    while (time(0) < end) {
        pthread_kill(threads[next(&seed) % JOBS], SIGUSR1);
        struct timespec pause = {0, 200000};
        nanosleep(&pause, 0);
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < JOBS; i++) pthread_join(threads[i], 0);
    memset(&every, 0, sizeof every);
    setitimer(ITIMER_REAL, &every, 0);
    CHECK(handled > 0 && forks > 0 && execs > 0 && maps > 0 && jumps > 0);
    if (getenv("STORM_FIGURES"))
        fprintf(stderr, "signals %ld, forks %ld, execs %ld, maps %ld, codes %ld, jumps %ld\n", (long)handled, (long)forks,
                (long)execs, (long)maps, (long)codes, (long)jumps);
    puts(failures ? "FAIL" : "ok");
    return failures != 0;
}
