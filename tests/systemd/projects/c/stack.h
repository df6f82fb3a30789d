#include <stddef.h>

struct stack {
    int *items;
    size_t used, room;
};

void push(struct stack *stack, int item);
int pop(struct stack *stack);
