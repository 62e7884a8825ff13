/* C without C++ */
#include <stdio.h>
typedef struct { int a; } thing_t;
typedef enum { A, B } kind_t;
static thing_t things[] = { { .a = 1 }, { .a = 2 } };
struct node *make(int n) { return 0; } // fn: make
static inline unsigned // fn: hash
hash(const char *s) { return s[0]; }
void empty(void) {} // fn: empty
#define WRAP(x) do { x; } while (0)
int union_user(union u *p) { WRAP(p->a); return '{'; } // fn: union_user
void last(void) { // fn: last
}