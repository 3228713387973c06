// Threads: mutexes (plain, robust, priority-inheriting), condition variables, TLS, signals and cancellation, fork and
// posix_spawn while others run. Prints the same everywhere.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long count;
static int turn;
static volatile int hits;
static __thread long own;

static void *add(void *arg)
{
    own = (long)arg;
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&lock);
        count++;
        pthread_mutex_unlock(&lock);
    }
    return (void *)own;
}

static void *ping_pong(void *arg)
{
    int me = (long)arg;
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&lock);
        while (turn != me)
            pthread_cond_wait(&changed, &lock);
        turn = !me;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void *sleeper(void *arg)
{
    (void)arg;
    for (;;)
        pause();
}

static void *lock_and_leave(void *mutex)
{
    pthread_mutex_lock(mutex);
    return NULL;
}

static void *forker(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0)
            _exit(i);
        waitpid(pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != i)
            printf("FAIL fork %d: status %#x\n", i, status);
    }
    return NULL;
}

static void *spawner(void *arg)
{
    char *arguments[] = { "none", NULL };
    (void)arg;
    for (int i = 0; i < 20; i++) {
        pid_t pid;
        int error = posix_spawn(&pid, "/nonexistent/program", NULL, NULL, arguments, environ);
        if (error != ENOENT)
            printf("FAIL spawn %d: %d\n", i, error);
    }
    return NULL;
}

static void hit(int sig)
{
    (void)sig;
    __sync_fetch_and_add(&hits, 1);
}

static void adders(int number, const char *what)
{
    pthread_t t[8];
    count = 0;
    for (long i = 0; i < number; i++)
        pthread_create(&t[i], NULL, add, (void *)i);
    for (long i = 0; i < number; i++) {
        void *result;
        pthread_join(t[i], &result);
        if ((long)result != i)
            printf("FAIL thread-local storage of %ld\n", i);
    }
    printf("%s: %ld\n", what, count);
}

int main(void)
{
    pthread_t t[6];
    void *result;
    adders(8, "mutex");
    for (long i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, ping_pong, (void *)i);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    puts("condition");

    struct sigaction sa = { .sa_handler = hit };
    sigaction(SIGUSR1, &sa, NULL);
    pthread_create(&t[0], NULL, sleeper, NULL);
    for (int i = 0; i < 200 || hits == 0; i++) {
        pthread_kill(t[0], SIGUSR1);
        if (i % 10 == 0)
            usleep(200);
    }
    pthread_cancel(t[0]);
    pthread_join(t[0], &result);
    printf("signals, cancelled: %d\n", result == PTHREAD_CANCELED);

    pthread_mutexattr_t attr;
    pthread_mutex_t robust;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attr);
    pthread_create(&t[0], NULL, lock_and_leave, &robust);
    pthread_join(t[0], NULL);
    printf("robust: %d\n", pthread_mutex_lock(&robust) == EOWNERDEAD);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&lock, &attr);
    adders(4, "priority inheritance");

    for (int i = 0; i < 6; i++)
        pthread_create(&t[i], NULL, i < 3 ? forker : spawner, NULL);
    for (int i = 0; i < 6; i++)
        pthread_join(t[i], NULL);
    puts("fork and spawn");

    struct timespec when;
    pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
    clock_gettime(CLOCK_REALTIME, &when);
    when.tv_sec += 1;
    pthread_mutex_lock(&plain);
    printf("timed wait: %d\n", pthread_cond_timedwait(&changed, &plain, &when) == ETIMEDOUT);
    pthread_create(&t[0], NULL, sleeper, NULL);
    puts("end");
    return 0;
}
