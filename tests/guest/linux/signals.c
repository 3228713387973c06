// Signals as a program sees them: delivery, masks, fault information, waiting, restarts, children's ends.
// Prints "ok" and the number of checks, or a FAIL line for each check that does not hold. Passes natively.
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

extern char **environ;
static volatile int got, code, value;
static void *volatile address;
static sigjmp_buf back;
static char alternate[65536];
static char *volatile frame;
static int checks;

#define CHECK(c)                                                                                              \
    do {                                                                                                      \
        checks++;                                                                                             \
        if (!(c))                                                                                             \
            printf("FAIL line %d: %s (got %d, code %d, address %p, errno %d)\n", __LINE__, #c, got, code,     \
                   address, errno);                                                                           \
    } while (0)

static void simple(int sig) { got = sig; }

static void detailed(int sig, siginfo_t *info, void *context)
{
    (void)context;
    got = sig;
    code = info->si_code;
    address = info->si_addr;
}

static void queued(int sig, siginfo_t *info, void *context)
{
    (void)context;
    got = sig;
    value = info->si_value.sival_int;
}

static void jump(int sig, siginfo_t *info, void *context)
{
    detailed(sig, info, context);
    siglongjmp(back, 1);
}

static void on_alternate(int sig)
{
    char local;
    frame = &local;
    got = sig;
}

#ifdef __arm__
// Steps over the faulting instruction and leaves a value in its result register.
static void step_over(int sig, siginfo_t *info, void *context)
{
    ucontext_t *c = context;
    detailed(sig, info, context);
    c->uc_mcontext.arm_r0 = 1234;
    c->uc_mcontext.arm_pc += 4;
}
#endif

static void set(int sig, void (*handler)(int), int flags)
{
    struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };
    sigaction(sig, &sa, NULL);
    got = code = value = 0;
    address = NULL;
}

static void set_info(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction sa = { .sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO };
    sigaction(sig, &sa, NULL);
    got = code = value = 0;
    address = NULL;
}

static sigset_t only(int sig)
{
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, sig);
    return s;
}

static void alarm_after(int usec)
{
    struct itimerval t = { .it_value = { .tv_usec = usec } };
    setitimer(ITIMER_REAL, &t, NULL);
}

static void delivery(void)
{
    sigset_t usr1 = only(SIGUSR1), old, waiting;
    set(SIGUSR1, simple, 0);
    raise(SIGUSR1);
    CHECK(got == SIGUSR1);
    set_info(SIGUSR2, detailed, 0);
    kill(getpid(), SIGUSR2);
    CHECK(got == SIGUSR2 && code == SI_USER);
    sigprocmask(SIG_BLOCK, &usr1, &old);
    got = 0;
    raise(SIGUSR1);
    CHECK(got == 0);
    sigpending(&waiting);
    CHECK(sigismember(&waiting, SIGUSR1) == 1);
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(got == SIGUSR1);
    set_info(SIGRTMIN + 3, queued, 0);
    sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 77 });
    CHECK(got == SIGRTMIN + 3 && value == 77);
    stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate };
    sigaltstack(&stack, NULL);
    set(SIGUSR1, on_alternate, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(frame > alternate && frame < alternate + sizeof alternate);
    set(SIGUSR1, simple, SA_RESETHAND);
    raise(SIGUSR1);
    struct sigaction now;
    sigaction(SIGUSR1, NULL, &now);
    CHECK(now.sa_handler == SIG_DFL);
}

static void faults(void)
{
    char *readable = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    set_info(SIGSEGV, jump, 0);
    if (!sigsetjmp(back, 1))
        *(volatile int *)0x124 = 1;
    CHECK(got == SIGSEGV && code == SEGV_MAPERR && address == (void *)0x124);
    got = 0;
    if (!sigsetjmp(back, 1))
        ((volatile char *)readable)[5] = 1;
    CHECK(got == SIGSEGV && code == SEGV_ACCERR && address == readable + 5);
    char name[] = "/tmp/emu-signals-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    char *empty = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    set_info(SIGBUS, jump, 0);
    if (!sigsetjmp(back, 1))
        ((volatile char *)empty)[7] = 1;
    CHECK(got == SIGBUS && code == BUS_ADRERR && address == empty + 7);
#ifdef __arm__
    set_info(SIGSEGV, step_over, 0);
    register int result asm("r0") = 0;
    register int *from asm("r1") = (int *)0x10;
#ifdef __thumb__
    asm volatile("ldr.w r0, [r1]" : "+r"(result) : "r"(from));
#else
    asm volatile("ldr r0, [r1]" : "+r"(result) : "r"(from));
#endif
    int stepped = result;
    CHECK(stepped == 1234 && address == (void *)0x10);
    set_info(SIGILL, step_over, 0);
#ifdef __thumb__
    asm volatile(".inst.w 0xf7f0a001" ::: "r0");
#else
    asm volatile(".inst 0xe7f000f0" ::: "r0");
#endif
    CHECK(got == SIGILL && code == ILL_ILLOPC);
#endif
    // Sent by somebody, a fault's signal can be blocked like any other.
    sigset_t segv = only(SIGSEGV), old, waiting;
    set(SIGSEGV, simple, 0);
    sigprocmask(SIG_BLOCK, &segv, &old);
    kill(getpid(), SIGSEGV);
    CHECK(got == 0);
    sigpending(&waiting);
    CHECK(sigismember(&waiting, SIGSEGV) == 1);
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(got == SIGSEGV);
}

static void waiting(void)
{
    int pipes[2], status;
    char c = 0;
    if (pipe(pipes))
        abort();
    set(SIGALRM, simple, 0);
    alarm_after(50000);
    int n = read(pipes[0], &c, 1);
    CHECK(n == -1 && errno == EINTR);
    set(SIGALRM, simple, SA_RESTART);
    pid_t child = fork();
    if (child == 0) {
        usleep(200000);
        _exit(write(pipes[1], "x", 1) == 1 ? 3 : 4);
    }
    alarm_after(50000);
    n = read(pipes[0], &c, 1);
    CHECK(n == 1 && c == 'x' && got == SIGALRM);
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    struct timespec second = { 1, 0 }, rest = { 9, 9 };
    alarm_after(50000);
    n = nanosleep(&second, &rest);
    CHECK(n == -1 && errno == EINTR && rest.tv_sec == 0 && rest.tv_nsec > 500000000);
    sigset_t alrm = only(SIGALRM), old, now;
    sigprocmask(SIG_BLOCK, &alrm, &old);
    got = 0;
    alarm_after(50000);
    n = sigsuspend(&old);
    CHECK(n == -1 && errno == EINTR && got == SIGALRM);
    sigprocmask(SIG_BLOCK, NULL, &now);
    CHECK(sigismember(&now, SIGALRM) == 1);
    siginfo_t info;
    alarm_after(50000);
    CHECK(sigwaitinfo(&alrm, &info) == SIGALRM && info.si_signo == SIGALRM);
    struct timespec soon = { 0, 1000000 };
    CHECK(sigtimedwait(&alrm, &info, &soon) == -1 && errno == EAGAIN);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static int end_of(void (*child)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        child();
        _exit(99);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void die_of_term(void) { raise(SIGTERM); }
static void die_of_pipe(void)
{
    int pipes[2];
    if (pipe(pipes))
        return;
    close(pipes[0]);
    if (write(pipes[1], "x", 1))
        _exit(98);
}
static void leave(void) { _exit(5); }

static void children(void)
{
    int status;
    pid_t pid;
    char *arguments[] = { "none", NULL };
    set_info(SIGCHLD, detailed, SA_RESTART);
    status = end_of(leave);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5 && got == SIGCHLD && code == CLD_EXITED);
    set(SIGCHLD, SIG_DFL, 0);
    status = end_of(die_of_term);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    status = end_of(die_of_pipe);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
    CHECK(posix_spawn(&pid, "/nonexistent/program", NULL, NULL, arguments, environ) == ENOENT);
    pid = vfork();
    if (pid == 0)
        _exit(9);
    waitpid(pid, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

// Handlers interrupt a computation all the time; its result must not change.
static void storm(void)
{
    struct itimerval often = { { 0, 200 }, { 0, 200 } }, off = { 0 };
    unsigned x = 1;
    double d = 1;
    set(SIGALRM, simple, 0);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 20000000; i++) {
        x = x * 1103515245 + 12345;
        d = d * 0.5 + (x & 3);
    }
    setitimer(ITIMER_REAL, &off, NULL);
    CHECK(x == 1759169281u);
    double expected = 1;
    x = 1;
    for (int i = 0; i < 20000000; i++) {
        x = x * 1103515245 + 12345;
        expected = expected * 0.5 + (x & 3);
    }
    CHECK(d == expected && got == SIGALRM);
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    delivery();
    faults();
    waiting();
    children();
    storm();
    puts("ok");
    return 0;
}
