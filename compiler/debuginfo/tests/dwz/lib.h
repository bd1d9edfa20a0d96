// SPDX-License-Identifier: GPL-2.0-or-later

// one and shared.dwz are made of these, because dwz(1) is not everywhere:
//   gcc -O2 -g -fdebug-prefix-map=$PWD=/source -o one one.c; the same with two; dwz -m shared.dwz -M shared.dwz one two
struct point { int x; struct { long deep; } inner; const char *a_rather_long_member_name; };
enum kind_of_thing { FIRST_KIND = 3, SECOND_KIND = 5 };
static inline int shared_helper(struct point *p, enum kind_of_thing kind) { return p->x * (int)kind + (int)p->inner.deep; }
