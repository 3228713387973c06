/* A stack of few nodes whose pop is a load-linked, a load and a store-conditional: it needs the store to fail after any
 * change of the head, also if the head is what it was (ABA). Each node has one owner at a time. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { NODES = 4, THREADS = 4, ROUNDS = 20000 };

struct node {
    struct node *next;
    atomic_int owners;
};

static struct node nodes[NODES];
static struct node *head;
static atomic_int shared, lost;

#if defined(__arm__) && __ARM_ARCH >= 7
static struct node *pop(void)
{
    struct node *n, *next;
    int failed;
    __asm__ volatile("1: ldrex %0, [%3]\n cmp %0, #0\n beq 2f\n ldr %1, [%0]\n strex %2, %1, [%3]\n"
                     " cmp %2, #0\n bne 1b\n 2: dmb ish\n"
                     : "=&r"(n), "=&r"(next), "=&r"(failed) : "r"(&head) : "cc", "memory");
    return n;
}
#elif defined(__aarch64__)
static struct node *pop(void)
{
    struct node *n, *next;
    int failed;
    __asm__ volatile("1: ldaxr %0, [%3]\n cbz %0, 2f\n ldr %1, [%0]\n stlxr %w2, %1, [%3]\n cbnz %w2, 1b\n2:\n"
                     : "=&r"(n), "=&r"(next), "=&r"(failed) : "r"(&head) : "cc", "memory");
    return n;
}
#elif defined(__riscv)
static struct node *pop(void)
{
    struct node *n, *next;
    long failed;
    __asm__ volatile("1: lr.d.aqrl %0, (%3)\n beqz %0, 2f\n ld %1, 0(%0)\n sc.d.aqrl %2, %1, (%3)\n bnez %2, 1b\n2:\n"
                     : "=&r"(n), "=&r"(next), "=&r"(failed) : "r"(&head) : "memory");
    return n;
}
#else
#define LOCKED
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node *pop(void)
{
    pthread_mutex_lock(&lock);
    struct node *n = head;
    if (n)
        head = n->next;
    pthread_mutex_unlock(&lock);
    return n;
}
#endif

static void push(struct node *n)
{
#ifdef LOCKED
    pthread_mutex_lock(&lock);
    n->next = head;
    head = n;
    pthread_mutex_unlock(&lock);
#else
    struct node *old = __atomic_load_n(&head, __ATOMIC_SEQ_CST);
    do
        n->next = old;
    while (!__atomic_compare_exchange_n(&head, &old, n, 1, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
#endif
}

static void *work(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct node *a = pop(), *b = pop();
        struct node *both[] = {a, b};
        for (int k = 0; k < 2; k++)
            if (both[k] && atomic_fetch_add(&both[k]->owners, 1) != 0)
                atomic_fetch_add(&shared, 1);
        for (int k = 0; k < 2; k++)
            if (both[k])
                atomic_fetch_sub(&both[k]->owners, 1);
        /* The one that was on top comes back first: the head is again what it was, its successor is not. */
        if (a)
            push(a);
        if (b)
            push(b);
    }
    return 0;
}

int main(void)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < NODES; i++)
        push(&nodes[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], 0, work, 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], 0);
    int n = 0;
    for (struct node *p = head; p && n <= NODES; p = p->next)
        n++;
    atomic_store(&lost, NODES - n);
    printf("nodes with two owners: %s, nodes lost: %s\n", shared ? "some FAIL" : "none", lost ? "some FAIL" : "none");
    return 0;
}
