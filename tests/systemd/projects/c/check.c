#include "stack.h"

#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_stack(void)
{
    struct stack stack = { 0 };
    for (int i = 0; i < 1000; i++)
        push(&stack, i);
    for (int i = 999; i >= 0; i--)
        assert(pop(&stack) == i);
    free(stack.items);
}

static void *greet(void *server)
{
    int peer = accept(*(int *)server, NULL, NULL);
    assert(write(peer, "hello", 5) == 5);
    close(peer);
    return NULL;
}

static void a_server_on_loopback(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    char words[6] = "";
    pthread_t thread;
    int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    assert(!bind(server, (struct sockaddr *)&address, sizeof address) && !listen(server, 1));
    assert(!getsockname(server, (struct sockaddr *)&address, &length));
    assert(!pthread_create(&thread, NULL, greet, &server));
    assert(!connect(client, (struct sockaddr *)&address, sizeof address));
    assert(read(client, words, 5) == 5 && !strcmp(words, "hello"));
    pthread_join(thread, NULL);
    close(client);
    close(server);
}

static void a_child_and_shared_memory(void)
{
    char name[32];
    snprintf(name, sizeof name, "/check-%d", getpid());
    int memory = shm_open(name, O_CREAT | O_RDWR, 0600), status;
    assert(memory >= 0 && !ftruncate(memory, 4096));
    int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    pid_t child = fork();
    if (!child) {
        *shared = 42;
        _exit(7);
    }
    assert(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7 && *shared == 42);
    munmap(shared, 4096);
    close(memory);
    shm_unlink(name);
}

int main(void)
{
    a_stack();
    a_server_on_loopback();
    a_child_and_shared_memory();
    puts("SAW a stack, a server, a child");
}
