// SPDX-License-Identifier: GPL-2.0-or-later
// odd.S - a function whose variables are where no compiler at hand puts them: each exercises some
// operations of DWARF expressions (DWARF 5, section 2.5). odd(356, -7) is called once.
	.text
	.globl	odd
	.type	odd, @function
odd:
.Lodd:
	.cfi_startproc
	leaq	(%rdi,%rsi), %rax
	ret
	.cfi_endproc
.Lodd_end:
	.size	odd, .-odd

	.globl	main
	.type	main, @function
main:
	.cfi_startproc
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	movl	$356, %edi
	movq	$-7, %rsi
	call	odd
	xorl	%eax, %eax
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	main, .-main

	.data
	.balign	8
number:
	.quad	0x1122334455668899

	.section .note.GNU-stack, "", @progbits

	// Begins a variable; its operations stand between 1: and 2:
	.macro	variable text, type=.Llong
	.uleb128 3
	.string	"\text"
	.long	\type - .Lunit
	.uleb128 2f - 1f
	.endm

	.set	op_addr, 0x03
	.set	op_deref, 0x06
	.set	op_const1u, 0x08
	.set	op_const1s, 0x09
	.set	op_const2u, 0x0a
	.set	op_const4s, 0x0d
	.set	op_const8u, 0x0e
	.set	op_consts, 0x11
	.set	op_dup, 0x12
	.set	op_drop, 0x13
	.set	op_over, 0x14
	.set	op_pick, 0x15
	.set	op_swap, 0x16
	.set	op_rot, 0x17
	.set	op_abs, 0x19
	.set	op_and, 0x1a
	.set	op_div, 0x1b
	.set	op_minus, 0x1c
	.set	op_mod, 0x1d
	.set	op_mul, 0x1e
	.set	op_neg, 0x1f
	.set	op_not, 0x20
	.set	op_or, 0x21
	.set	op_plus, 0x22
	.set	op_plus_uconst, 0x23
	.set	op_shl, 0x24
	.set	op_shr, 0x25
	.set	op_shra, 0x26
	.set	op_xor, 0x27
	.set	op_bra, 0x28
	.set	op_eq, 0x29
	.set	op_ge, 0x2a
	.set	op_gt, 0x2b
	.set	op_le, 0x2c
	.set	op_lt, 0x2d
	.set	op_ne, 0x2e
	.set	op_skip, 0x2f
	.set	op_lit, 0x30
	.set	op_reg, 0x50
	.set	op_breg, 0x70
	.set	op_fbreg, 0x91
	.set	op_piece, 0x93
	.set	op_deref_size, 0x94
	.set	op_nop, 0x96
	.set	op_call2, 0x98
	.set	op_call4, 0x99
	.set	op_call_ref, 0x9a
	.set	op_tls, 0x9b
	.set	op_cfa, 0x9c
	.set	op_bit_piece, 0x9d
	.set	op_implicit_value, 0x9e
	.set	op_stack_value, 0x9f
	.set	op_implicit_pointer, 0xa0
	.set	op_entry_value, 0xa3
	.set	op_const_type, 0xa4
	.set	op_regval_type, 0xa5
	.set	op_deref_type, 0xa6
	.set	op_convert, 0xa8
	.set	op_reinterpret, 0xa9

	.section .debug_abbrev, "", @progbits
.Labbrevs:
	.uleb128 1, 0x11			// a unit with children
	.byte	1
	.uleb128 0x03, 0x08, 0x11, 0x01, 0x12, 0x07, 0, 0
	.uleb128 2, 0x2e			// a function with children
	.byte	1
	.uleb128 0x3f, 0x19, 0x03, 0x08, 0x49, 0x13, 0x11, 0x01, 0x12, 0x07, 0x40, 0x18, 0, 0
	.uleb128 3, 0x34			// a variable
	.byte	0
	.uleb128 0x03, 0x08, 0x49, 0x13, 0x02, 0x18, 0, 0
	.uleb128 4, 0x24			// a base type
	.byte	0
	.uleb128 0x03, 0x08, 0x0b, 0x0b, 0x3e, 0x0b, 0, 0
	.uleb128 5, 0x13			// a structure with children
	.byte	1
	.uleb128 0x03, 0x08, 0x0b, 0x0b, 0, 0
	.uleb128 6, 0x0d			// a member
	.byte	0
	.uleb128 0x03, 0x08, 0x49, 0x13, 0x38, 0x0b, 0, 0
	.uleb128 7, 0x0f			// a pointer
	.byte	0
	.uleb128 0x0b, 0x0b, 0x49, 0x13, 0, 0
	.uleb128 8, 0x36			// a DWARF procedure
	.byte	0
	.uleb128 0x02, 0x18, 0, 0
	.uleb128 9, 0x05			// a parameter
	.byte	0
	.uleb128 0x03, 0x08, 0x49, 0x13, 0x02, 0x18, 0, 0
	.uleb128 10, 0x34			// a constant
	.byte	0
	.uleb128 0x03, 0x08, 0x49, 0x13, 0x1c, 0x0d, 0, 0
	.byte	0

	.section .debug_info, "", @progbits
.Lunit:
	.long	.Lunit_end - .Lunit_begin
.Lunit_begin:
	.short	5				// DWARF 5
	.byte	1, 8				// a unit for compiling, addresses of 8 bytes
	.long	.Labbrevs
	.uleb128 1
	.string	"odd.S"
	.quad	.Lodd
	.quad	.Lodd_end - .Lodd

.Llong:
	.uleb128 4
	.string	"long"
	.byte	8, 5
.Lint:
	.uleb128 4
	.string	"int"
	.byte	4, 5
.Lbyte:
	.uleb128 4
	.string	"unsigned char"
	.byte	1, 8
.Lshort:
	.uleb128 4
	.string	"short"
	.byte	2, 5
.Lunsigned:
	.uleb128 4
	.string	"unsigned long"
	.byte	8, 7
.Lpair:
	.uleb128 5
	.string	"pair"
	.byte	12
	.uleb128 6
	.string	"first"
	.long	.Lint - .Lunit
	.byte	0
	.uleb128 6
	.string	"second"
	.long	.Llong - .Lunit
	.byte	4
	.byte	0
.Lpointer:
	.uleb128 7
	.byte	8
	.long	.Lpair - .Lunit
.Lprocedure:
	.uleb128 8
	.uleb128 2f - 1f
1:	.byte	op_lit + 3, op_mul, op_lit + 1, op_plus
2:
	.uleb128 2				// the function
	.string	"odd"
	.long	.Llong - .Lunit
	.quad	.Lodd
	.quad	.Lodd_end - .Lodd
	.uleb128 1
	.byte	op_cfa
	.uleb128 9
	.string	"a"
	.long	.Llong - .Lunit
	.uleb128 1
	.byte	op_reg + 5
	.uleb128 9
	.string	"b"
	.long	.Llong - .Lunit
	.uleb128 1
	.byte	op_reg + 4

	variable arithmetic			// (3a - b) / 2 mod 100
1:	.byte	op_breg + 5, 0, op_lit + 3, op_mul, op_breg + 4, 0, op_minus, op_lit + 2, op_div
	.byte	op_const1u, 100, op_mod, op_nop, op_stack_value
2:
	variable negative			// b / 2, rounded to zero
1:	.byte	op_breg + 4, 0, op_lit + 2, op_div, op_stack_value
2:
	variable bits				// ((~(b >> 1) | 0xf0) ^ 0xff) & 0x1fe
1:	.byte	op_breg + 4, 0, op_lit + 1, op_shra, op_not, op_const1u, 0xf0, op_or
	.byte	op_const1u, 0xff, op_xor, op_const2u, 0xfe, 0x01, op_and, op_stack_value
2:
	variable shifts				// (|b| << 60) >> 61, logical
1:	.byte	op_breg + 4, 0, op_abs, op_const1u, 60, op_shl, op_const1u, 61, op_shr
	.byte	op_stack_value
2:
	variable far				// shifts by 64 and more
1:	.byte	op_breg + 5, 0, op_const1u, 64, op_shl, op_breg + 5, 0, op_const1u, 70, op_shr
	.byte	op_or, op_breg + 4, 0, op_const1u, 99, op_shra, op_plus, op_stack_value
2:
	variable stack				// 1 2 3 turned: 3 1 2; 1 - 2; 3 under it; - 3 ...
1:	.byte	op_lit + 1, op_lit + 2, op_lit + 3, op_rot, op_minus, op_swap, op_minus
	.byte	op_dup, op_mul, op_lit + 5, op_over, op_plus, op_pick, 1, op_lit + 9, op_drop
	.byte	op_const1u, 10, op_mul, op_plus, op_plus_uconst, 7, op_neg, op_stack_value
2:
	variable comparisons			// six of them, a bit each: b against a
1:	.byte	op_breg + 4, 0, op_breg + 5, 0, op_lt
	.byte	op_breg + 4, 0, op_breg + 5, 0, op_gt, op_lit + 1, op_shl, op_or
	.byte	op_breg + 4, 0, op_breg + 5, 0, op_le, op_lit + 2, op_shl, op_or
	.byte	op_breg + 4, 0, op_breg + 5, 0, op_ge, op_lit + 3, op_shl, op_or
	.byte	op_breg + 4, 0, op_breg + 5, 0, op_eq, op_lit + 4, op_shl, op_or
	.byte	op_breg + 4, 0, op_breg + 5, 0, op_ne, op_lit + 5, op_shl, op_or, op_stack_value
2:
	variable branch				// b < 0 ? 77 : 88
1:	.byte	op_breg + 4, 0, op_lit + 0, op_lt, op_bra
	.short	3f - . - 2
	.byte	op_const1u, 88, op_skip
	.short	4f - . - 2
3:	.byte	op_const1u, 77
4:	.byte	op_stack_value
2:
	variable other_branch			// a < 0 ? 77 : 88
1:	.byte	op_breg + 5, 0, op_lit + 0, op_lt, op_bra
	.short	3f - . - 2
	.byte	op_const1u, 88, op_skip
	.short	4f - . - 2
3:	.byte	op_const1u, 77
4:	.byte	op_stack_value
2:
	variable constants			// -2 + 0x1ff + -100000 + 1 << 40 + -300
1:	.byte	op_const1s, -2, op_const2u, 0xff, 0x01, op_plus, op_const4s
	.long	-100000
	.byte	op_plus, op_const8u
	.quad	1 << 40
	.byte	op_plus, op_consts
	.sleb128 -300
	.byte	op_plus, op_stack_value
2:
	variable narrowed			// the low byte of a
1:	.byte	op_breg + 5, 0, op_convert
	.uleb128 .Lbyte - .Lunit
	.byte	op_convert, 0, op_stack_value
2:
	variable register_of_type		// the low half of a, halved twice as a short
1:	.byte	op_regval_type
	.uleb128 4
	.uleb128 .Lshort - .Lunit
	.byte	op_const_type
	.uleb128 .Lshort - .Lunit
	.byte	2
	.short	2
	.byte	op_div, op_convert, 0, op_stack_value
2:
	variable unsigned_order			// b < a as unsigned numbers
1:	.byte	op_breg + 4, 0, op_reinterpret
	.uleb128 .Lunsigned - .Lunit
	.byte	op_breg + 5, 0, op_convert
	.uleb128 .Lunsigned - .Lunit
	.byte	op_lt, op_stack_value
2:
	variable in_memory
1:	.byte	op_addr
	.quad	number
2:
	variable byte_in_memory, .Lbyte
1:	.byte	op_addr
	.quad	number + 7
2:
	variable part_of_memory			// two bytes, then one as a type
1:	.byte	op_addr
	.quad	number
	.byte	op_deref_size, 2, op_addr
	.quad	number + 1
	.byte	op_deref_type, 1
	.uleb128 .Lbyte - .Lunit
	.byte	op_convert, 0, op_plus, op_stack_value
2:
	variable pieces, .Lpair			// one member in a register, one constant
1:	.byte	op_reg + 5, op_piece, 4, op_implicit_value, 8
	.quad	-99
	.byte	op_piece, 8
2:
	variable torn				// the low bits of a, some of a constant, nothing
1:	.byte	op_reg + 5, op_bit_piece, 4, 2, op_implicit_value, 1, 0x5a
	.byte	op_bit_piece, 4, 4, op_lit + 0, op_stack_value, op_piece, 7
2:
	variable hole, .Lpair			// one member is not there
1:	.byte	op_piece, 4, op_reg + 4, op_piece, 8
2:
.Lhidden:
	variable hidden, .Lpair
1:	.byte	op_reg + 4, op_piece, 4, op_reg + 5, op_piece, 8
2:
	variable pointer, .Lpointer
1:	.byte	op_implicit_pointer
	.long	.Lhidden
	.sleb128 0
2:
	variable known
1:	.byte	op_implicit_value, 8
	.quad	-12345
2:
	variable at_entry			// a + 1
1:	.byte	op_entry_value, 1, op_reg + 5, op_lit + 1, op_plus, op_stack_value
2:
	variable at_frame			// the return address, below the frame's address
1:	.byte	op_fbreg
	.sleb128 -8
2:
	variable called2			// 3a + 1, by calls of all forms
1:	.byte	op_breg + 5, 0, op_call2
	.short	.Lprocedure - .Lunit
	.byte	op_stack_value
2:
	variable called4
1:	.byte	op_breg + 5, 0, op_call4
	.long	.Lprocedure - .Lunit
	.byte	op_stack_value
2:
	variable called_ref
1:	.byte	op_breg + 5, 0, op_call_ref
	.long	.Lprocedure
	.byte	op_stack_value
2:
	variable thread_local
1:	.byte	op_const1u, 16, op_tls
2:
	variable endless
1:
3:	.byte	op_skip
	.short	3b - . - 2
2:
	variable short_stack
1:	.byte	op_lit + 1, op_plus, op_stack_value
2:
	variable by_zero			// a division that fails when it is done
1:	.byte	op_breg + 5, 0, op_lit + 0, op_div, op_stack_value
2:
	.uleb128 10
	.string	"constant"
	.long	.Lint - .Lunit
	.sleb128 -42
	.byte	0
	.byte	0
.Lunit_end:
