// SPDX-License-Identifier: GPL-2.0-or-later

#include "lib.h"
__attribute__((noinline)) int second_user(struct point *p, int n) { int sum = 1; while (n--) sum += shared_helper(p, SECOND_KIND) * 2; return sum; }
int main(int argc, char **argv) { struct point p = { argc, { 2 }, argv[0] }; return second_user(&p, argc); }
