/* Descriptors whose bytes are numbers, which a guest of the other byte order gets turned round, however the process came by them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t number(int fd)
{
    uint64_t n = 0;
    return read(fd, &n, sizeof n) == sizeof n ? n : (uint64_t)-1;
}

static void made_here(char **argv)
{
    int fd = eventfd(0, 0);
    uint64_t n = 3;
    write(fd, &n, sizeof n);
    n = 4;
    write(fd, &n, sizeof n);
    printf("made here: %llu\n", (unsigned long long)number(fd));
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec soon = { .it_value = { .tv_nsec = 1000000 } };
    timerfd_settime(timer, 0, &soon, NULL);
    printf("a timer: %llu\n", (unsigned long long)number(timer));
}

static void executed(char **argv)
{
    char fd[16];
    snprintf(fd, sizeof fd, "%d", eventfd(11, 0));
    fflush(stdout);
    execl("/proc/self/exe", argv[0], fd, (char *)NULL);
}

static void sent(char **argv)
{
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    char data = 'x', space[CMSG_SPACE(sizeof(int))];
    struct iovec io = { &data, 1 };
    struct msghdr h = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space };
    pid_t child = fork();
    if (child == 0) {
        int fd = eventfd(13, 0);
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
        _exit(sendmsg(pair[1], &h, 0) != 1);
    }
    int fd = -1;
    recvmsg(pair[0], &h, 0);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof fd);
    waitpid(child, NULL, 0);
    printf("sent: %llu\n", (unsigned long long)number(fd));
}

static void shared(char **argv)
{
    pid_t child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0)
        _exit(eventfd(17, 0));
    int status;
    waitpid(child, &status, 0);
    printf("shared: %llu\n", (unsigned long long)number(WEXITSTATUS(status)));
}

static void inherited(char **argv)
{
    int fd = eventfd(19, 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        printf("inherited: %llu\n", (unsigned long long)number(fd));
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        printf("executed: %llu\n", (unsigned long long)number(atoi(argv[1])));
        return 0;
    }
    /* None is open at the first read. */
    int null = open("/dev/zero", O_RDONLY);
    printf("none: %llu\n", (unsigned long long)number(null));
    void (*const ways[])(char **) = { made_here, executed, sent, shared, inherited };
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            ways[i](argv);
            fflush(stdout);
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
    return 0;
}
