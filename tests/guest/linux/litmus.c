/* Litmus tests of the memory model: outcomes that the barriers forbid must not be seen. Message passing, store
 * buffering, load buffering, independent reads of independent writes, coherence, atomic counters. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#define ROUNDS 2000

static struct { int x; char pad0[60]; int y; char pad1[60]; int go; char pad2[60]; int r[4]; } s;
static pthread_barrier_t barrier;

#define LOAD(v) __atomic_load_n(&(v), __ATOMIC_RELAXED)
#define STORE(v, n) __atomic_store_n(&(v), n, __ATOMIC_RELAXED)
#define FENCE() __atomic_thread_fence(__ATOMIC_SEQ_CST)

static void mp0(void) { STORE(s.x, 1); FENCE(); STORE(s.y, 1); }
static void mp1(void) { s.r[0] = LOAD(s.y); FENCE(); s.r[1] = LOAD(s.x); }
static int mp(void) { return s.r[0] == 1 && s.r[1] == 0; }

static void ra0(void) { STORE(s.x, 1); __atomic_store_n(&s.y, 1, __ATOMIC_RELEASE); }
static void ra1(void) { s.r[0] = __atomic_load_n(&s.y, __ATOMIC_ACQUIRE); s.r[1] = LOAD(s.x); }

static void sb0(void) { STORE(s.x, 1); FENCE(); s.r[0] = LOAD(s.y); }
static void sb1(void) { STORE(s.y, 1); FENCE(); s.r[1] = LOAD(s.x); }
static int sb(void) { return s.r[0] == 0 && s.r[1] == 0; }

static void lb0(void) { s.r[0] = LOAD(s.x); FENCE(); STORE(s.y, 1); }
static void lb1(void) { s.r[1] = LOAD(s.y); FENCE(); STORE(s.x, 1); }
static int lb(void) { return s.r[0] == 1 && s.r[1] == 1; }

static void w0(void) { STORE(s.x, 1); }
static void w1(void) { STORE(s.y, 1); }
static void ir2(void) { s.r[0] = LOAD(s.x); FENCE(); s.r[1] = LOAD(s.y); }
static void ir3(void) { s.r[2] = LOAD(s.y); FENCE(); s.r[3] = LOAD(s.x); }
static int iriw(void) { return s.r[0] == 1 && s.r[1] == 0 && s.r[2] == 1 && s.r[3] == 0; }

/* One location: reads in order never go back. */
static void co0(void) { STORE(s.x, 1); STORE(s.x, 2); }
static void co1(void) { s.r[0] = LOAD(s.x); s.r[1] = LOAD(s.x); }
static int co(void) { return s.r[0] > s.r[1]; }

static void nothing(void) {}

static const struct test { const char *name; void (*run[4])(void); int (*forbidden)(void); } tests[] = {
    { "MP", { mp0, mp1, nothing, nothing }, mp },
    { "MP release acquire", { ra0, ra1, nothing, nothing }, mp },
    { "SB", { sb0, sb1, nothing, nothing }, sb },
    { "LB", { lb0, lb1, nothing, nothing }, lb },
    { "IRIW", { w0, w1, ir2, ir3 }, iriw },
    { "CoRR", { co0, co1, nothing, nothing }, co },
};
#define TESTS (sizeof tests / sizeof *tests)

static int seen[TESTS];
static unsigned counters[3];
static unsigned char bytes[4];

static void *thread(void *arg) {
    int self = (int)(long)arg;
    for (unsigned t = 0; t < TESTS; t++)
        for (int i = 0; i < ROUNDS; i++) {
            /* All four start at once: a turn each, then the test. */
            int all = 4 * (int)(t * ROUNDS + i + 1);
            __atomic_add_fetch(&s.go, 1, __ATOMIC_SEQ_CST);
            for (int n = 0; __atomic_load_n(&s.go, __ATOMIC_SEQ_CST) < all; n++)
                if (n > 100) sched_yield();
            tests[t].run[self]();
            pthread_barrier_wait(&barrier);
            if (self == 0) {
                seen[t] += tests[t].forbidden();
                STORE(s.x, 0); STORE(s.y, 0);
                for (int k = 0; k < 4; k++) s.r[k] = 0;
            }
            pthread_barrier_wait(&barrier);
        }
    return 0;
}

/* Read-modify-write of every size loses nothing. */
static void *count(void *arg) {
    (void)arg;
    for (int i = 0; i < 30000; i++) {
        __atomic_add_fetch(&counters[0], 1, __ATOMIC_SEQ_CST);
        __atomic_add_fetch(&counters[1], 1, __ATOMIC_RELAXED);
        __atomic_add_fetch((unsigned short *)&counters[2], 1, __ATOMIC_ACQ_REL);
        __atomic_add_fetch(&bytes[1], 1, __ATOMIC_RELAXED);
    }
    return 0;
}

int main(void) {
    pthread_t t[4];
    pthread_barrier_init(&barrier, 0, 4);
    for (long i = 0; i < 4; i++) pthread_create(&t[i], 0, thread, (void *)i);
    for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
    for (unsigned i = 0; i < TESTS; i++) printf("%s: %s\n", tests[i].name, seen[i] ? "FAIL" : "ok");
    for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, count, 0);
    for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
    printf("counters: %u %u %u %u\n", counters[0], counters[1], *(unsigned short *)&counters[2], bytes[1]);
    return 0;
}
