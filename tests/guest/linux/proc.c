// What /proc tells of the own process and of another one. Each line is the same on every machine.
#define _GNU_SOURCE
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what, c) printf("%s: %s\n", what, (c) ? "ok" : "FAIL")
static char text[1 << 20]; static long len;
static char *slurp(const char *fmt, ...) {
    char path[256]; va_list ap; va_start(ap, fmt); vsnprintf(path, sizeof path, fmt, ap); va_end(ap);
    int fd = open(path, O_RDONLY); len = 0; long n;
    while (fd >= 0 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0) len += n;
    if (fd >= 0) close(fd);
    text[len] = 0; return text;
}
static char exe[4096];
static unsigned long long field(const char *stat, int n) {
    const char *p = strrchr(stat, ')') + 2;
    for (int i = 3; i < n; i++) p = strchr(p, ' ') + 1;
    return strtoull(p, NULL, 10);
}
// Whether a line of maps or smaps has `va`, and what of it contains `part`.
static int mapped(const char *maps, uintptr_t va, const char *part) {
    for (const char *p = maps; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        unsigned long long a, b; char line[512];
        if (sscanf(p, "%llx-%llx ", &a, &b) != 2 || va < a || va >= b) continue;
        snprintf(line, sizeof line, "%.*s", (int)strcspn(p, "\n"), p);
        return strstr(line, part) != NULL;
    }
    return 0;
}
static int local_data = 5;
static void look(const char *who, const char *dir, int own, char *top) {
    char what[64], link[4096] = {0}, path[256];
#define SAYS(name, c) (snprintf(what, sizeof what, "%s %s", who, name), CHECK(what, c))
    snprintf(path, sizeof path, "%s/exe", dir); readlink(path, link, sizeof link - 1); SAYS("exe", !strcmp(link, exe));
    int fd = open(path, O_RDONLY); char magic[4] = {0}; read(fd, magic, 4); close(fd); SAYS("exe opens", !memcmp(magic, "\177ELF", 4));
    slurp("%s/cmdline", dir); SAYS("cmdline", len > 10 && !strcmp(text + len - 10, "last word"));
    slurp("%s/comm", dir); SAYS("comm", !strncmp(text, strrchr(exe, '/') + 1, strcspn(text, "\n")));
    slurp("%s/environ", dir); int found = 0;
    for (char *p = text; p < text + len; p += strlen(p) + 1) found |= !strcmp(p, "PROC_TEST=some value");
    SAYS("environ", found);
    slurp("%s/maps", dir);
    SAYS("maps code", mapped(text, (uintptr_t)&look, strrchr(exe, '/'))); SAYS("maps data", mapped(text, (uintptr_t)&local_data, "rw"));
    SAYS("maps stack", mapped(text, (uintptr_t)top, "[stack]")); SAYS("maps nothing", !mapped(text, 16, ""));
    uintptr_t code = (uintptr_t)&look;
#if defined _CALL_ELF && _CALL_ELF == 1
    code = *(uintptr_t *)code; // a function's address is that of its descriptor
#endif
    if (own) SAYS("maps execute", mapped(text, code, "r-xp"));
    slurp("%s/smaps", dir); SAYS("smaps", mapped(text, (uintptr_t)&local_data, "rw") && strstr(text, "Rss: ") && strstr(text, "Private_Dirty: "));
    slurp("%s/stat", dir);
    SAYS("stat startstack", (uintptr_t)field(text, 28) / 65536 == (uintptr_t)top / 65536 || llabs((long long)field(text, 28) - (long long)(uintptr_t)top) < 262144);
    SAYS("stat vsize", field(text, 23) > 65536 && field(text, 23) < (1ull << 31));
    unsigned long long pages = 0; sscanf(slurp("%s/statm", dir), "%llu", &pages); SAYS("statm", pages > 16 && pages < (1 << 19));
    slurp("%s/status", dir); char *p = strstr(text, "VmSize:"); unsigned long long kb = 0; if (p) sscanf(p, "VmSize: %llu", &kb);
    SAYS("status VmSize", kb > 64 && kb < (1 << 21)); SAYS("status Threads", strstr(text, own ? "Threads:\t1\n" : "Threads:\t1\n") != NULL);
    if (own) {
        unsigned long long blk = 0, ign = 0, cgt = 0;
        if ((p = strstr(text, "SigBlk:"))) sscanf(p, "SigBlk: %llx", &blk);
        if ((p = strstr(text, "SigIgn:"))) sscanf(p, "SigIgn: %llx", &ign);
        if ((p = strstr(text, "SigCgt:"))) sscanf(p, "SigCgt: %llx", &cgt);
        SAYS("status SigBlk", blk == 1ull << (SIGUSR2 - 1)); SAYS("status SigIgn", ign == 1ull << (SIGHUP - 1));
        SAYS("status SigCgt", cgt == 1ull << (SIGUSR1 - 1));
        slurp("%s/auxv", dir); unsigned long a[2]; int at = 0;
        for (long i = 0; i + (long)sizeof a <= len; i += sizeof a) { memcpy(a, text + i, sizeof a); at |= a[0] == AT_PHDR && a[1] == getauxval(AT_PHDR); }
        SAYS("auxv", at);
    }
}
static void handler(int s) { (void)s; }
static void *thread(void *arg) {
    char path[64], stat[64]; snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)syscall(SYS_gettid));
    slurp(path); snprintf(stat, sizeof stat, "%d (", (int)syscall(SYS_gettid));
    CHECK("task stat", !strncmp(text, stat, strlen(stat)) && field(text, 23) < 1ull << 31 && field(text, 23) > 65536);
    pthread_setname_np(pthread_self(), "a thread"); snprintf(path, sizeof path, "/proc/self/task/%d/comm", (int)syscall(SYS_gettid));
    CHECK("task comm", !strcmp(slurp(path), "a thread\n"));
    CHECK("thread-self comm", !strcmp(slurp("/proc/thread-self/comm"), "a thread\n"));
    snprintf(path, sizeof path, "/proc/self/task/%d/maps", (int)syscall(SYS_gettid));
    CHECK("task maps", mapped(slurp(path), (uintptr_t)&local_data, "rw"));
    return arg;
}
static unsigned deep(unsigned n, volatile char *up) {
    volatile char page[4096]; page[0] = (char)n; if (up) page[1] = up[0];
    return n == 0 ? page[0] : deep(n - 1, page) + page[1] * 0;
}
int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1); (void)n;
    char top;
    if (argc == 1) {
        // Once more, with known arguments, environment and limit.
        setenv("PROC_TEST", "some value", 1);
        struct rlimit l = {24 << 20, RLIM_INFINITY}; getrlimit(RLIMIT_STACK, &l); l.rlim_cur = 24 << 20; CHECK("setrlimit", setrlimit(RLIMIT_STACK, &l) == 0);
        execl(exe, exe, "first", "last word", (char *)0);
        return 1;
    }
    if (argc == 4) { write(1, "x", 1); pause(); }
    signal(SIGHUP, SIG_IGN); signal(SIGUSR1, handler);
    sigset_t set; sigemptyset(&set); sigaddset(&set, SIGUSR2); sigprocmask(SIG_BLOCK, &set, NULL);
    look("self", "/proc/self", 1, &top);
    char dir[64]; snprintf(dir, sizeof dir, "/proc/%d", getpid()); look("by number", dir, 1, &top);
    chdir("/proc/self"); slurp("cmdline"); CHECK("relative", len > 10 && !strcmp(text + len - 10, "last word")); chdir("/");
    struct rlimit l; getrlimit(RLIMIT_STACK, &l); CHECK("stack limit", l.rlim_cur == 24 << 20);
    deep((20 << 20) / 4300, NULL); puts("a deep stack: ok");
    slurp("/proc/self/limits"); CHECK("limits", strstr(text, "Max stack size            25165824 ") != NULL);
    int fds[2]; pipe(fds); int pid = fork();
    if (pid == 0) { dup2(fds[1], 1); setrlimit(RLIMIT_STACK, &l); execl(exe, exe, "first", "second", "last word", (char *)0); _exit(1); }
    char c; read(fds[0], &c, 1); snprintf(dir, sizeof dir, "/proc/%d", pid);
    unsigned long long s = field(slurp("%s/stat", dir), 28);
    look("other", dir, 0, (char *)(uintptr_t)s);
    kill(pid, SIGKILL); waitpid(pid, NULL, 0);
    pthread_t t; pthread_create(&t, NULL, thread, NULL); pthread_join(t, NULL);
    return 0;
}
