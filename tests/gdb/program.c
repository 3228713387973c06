// What the debugger looks at: see run. Line numbers do not matter, names do.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

volatile int counter, watched = 4;
double real = 1.5;

static void on_signal(int number) { counter += 100; }

__attribute__((noinline)) int leaf(int a) {
    watched = a;
    counter++;
    return a * 2;
}

__attribute__((noinline)) int middle(int a) { return leaf(a) + 1; }

// So that all of them are there before one ends.
static pthread_barrier_t all;
// leaf counts without an atomic operation: two at once would lose a count.
static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;

static void *worker(void *p) {
    pthread_barrier_wait(&all);
    for (int i = 0; i < 3; i++) {
        pthread_mutex_lock(&one);
        leaf((int)(long)p * 10 + i);
        pthread_mutex_unlock(&one);
        usleep(1000);
    }
    return p;
}

static int forks(void) {
    int status;
    pid_t child = fork();
    if (child == 0) _exit(leaf(99) == 198 ? 5 : 6);
    waitpid(child, &status, 0);
    printf("child %d\n", WEXITSTATUS(status));
    printf("shell %d\n", WEXITSTATUS(system("exit 3")));
    return 0;
}

static void threads(void) {
    pthread_t t[3];
    pthread_barrier_init(&all, NULL, 3);
    for (long i = 0; i < 3; i++) pthread_create(&t[i], 0, worker, (void *)i);
    for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    signal(SIGUSR1, on_signal);
    if (!strcmp(what, "sleep")) for (; watched == 4; counter++) usleep(1000);
    if (!strcmp(what, "spin")) for (; watched == 4; counter++);
    if (!strcmp(what, "fault")) *(volatile int *)16 = middle(1);
    if (!strcmp(what, "fork")) return forks();
    printf("%d\n", middle(5));
    raise(SIGUSR1);
    if (!strcmp(what, "threads")) threads();
    real *= 2;
    printf("counter %d real %g\n", counter, real);
    return 3;
}
