// SPDX-License-Identifier: GPL-2.0-or-later

#include "lib.h"
__attribute__((noinline)) int first_user(struct point *p, int n) { int sum = 0; while (n--) sum += shared_helper(p, FIRST_KIND); return sum; }
int main(int argc, char **argv) { struct point p = { argc, { 2 }, argv[0] }; return first_user(&p, argc); }
