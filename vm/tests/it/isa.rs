//! Encoding of instructions and programs.

use proptest::prelude::*;
use starling_vm::asm::{Source, assemble, disassemble};
use starling_vm::field::{Felt, MODULUS, canonical};
use starling_vm::isa::{Instruction, OP_WORD_BITS, OPCODES, Op};
use starling_vm::program::{Program, ProgramError};

use crate::support::{instruction, program, value};

#[test]
fn the_table_is_in_the_order_of_the_opcodes_and_unambiguous() {
    for (i, info) in OPCODES.iter().enumerate() {
        assert_eq!(info.op as usize, i);
        assert_eq!(info.op.info().mnemonic, info.mnemonic);
        assert_eq!(Op::from_mnemonic(info.mnemonic), Some(info.op));
        assert_eq!(Op::from_flags(info.flags), Some(info.op));
        for other in &OPCODES[..i] {
            assert_ne!(info.flags, other.flags, "{} and {}", info.mnemonic, other.mnemonic);
            assert_ne!(info.mnemonic, other.mnemonic);
        }
    }
}

/// Every op word of 26 bits: either it is refused, or it is what encoding the decoded instruction gives.
#[test]
fn all_op_words() {
    let mut valid = 0_u32;
    for word in 0..1_u64 << OP_WORD_BITS {
        if let Ok(i) = Instruction::decode(word, Felt::new(0)) {
            assert_eq!(i.encode(), (word, Felt::new(0)));
            valid += 1;
        }
    }
    assert!(valid > 10_000, "only {valid} words decode");
}

#[test]
fn programs_are_checked() {
    let nop = Instruction::new(Op::Mov);
    assert_eq!(Program::new(vec![]), Err(ProgramError::Empty));
    assert_eq!(Program::from_instructions(vec![]), Err(ProgramError::NoHalt));
    assert_eq!(Program::from_instructions(vec![nop, nop]), Err(ProgramError::NoHalt));
    assert!(matches!(
        Program::new(vec![nop; 1 << 18]),
        Err(ProgramError::TooLong { count: 262_145 })
    ));
    let odd = Instruction {
        d: 1,
        ..Instruction::new(Op::U32addp)
    };
    assert!(matches!(
        Program::new(vec![odd]),
        Err(ProgramError::Decode { address: 1, .. })
    ));
    let stray = Instruction {
        imm: Felt::new(7),
        ..Instruction::new(Op::Qmov)
    };
    assert!(matches!(
        Program::new(vec![stray]),
        Err(ProgramError::Decode { address: 1, .. })
    ));
    let clash = Instruction {
        d: 12,
        ..Instruction::new(Op::Mstep)
    };
    assert!(matches!(
        Program::new(vec![clash]),
        Err(ProgramError::Decode { address: 1, .. })
    ));
}

#[test]
fn the_hash_covers_every_field() {
    let base = program("add r1, r2, 3\n halt");
    for other in [
        "add r2, r2, 3\n halt",
        "add r1, r3, 3\n halt",
        "add r1, r2, 4\n halt",
        "add r1, r2, r3\n halt",
        "sub r1, r2, 3\n halt",
        "add r1, r2, 3\n halt\n halt",
        "add r1, r2, 3\n halt\n halt\n halt",
    ] {
        assert_ne!(base.hash(), program(other).hash(), "{other}");
    }
    let commented = program("# words\n  add r1 , r2, 0x3 # more\n halt");
    assert_eq!(base.hash(), commented.hash());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn instructions_decode_to_themselves(i in instruction()) {
        let (word, imm) = i.encode();
        prop_assert!(word >> OP_WORD_BITS == 0);
        prop_assert_eq!(Instruction::decode(word, imm), Ok(i));
    }

    #[test]
    fn any_words_decode_or_are_refused(word in any::<u64>(), small in 0..1_u64 << OP_WORD_BITS, imm in value()) {
        for word in [word, small] {
            if let Ok(i) = Instruction::decode(word, Felt::new(imm)) {
                prop_assert_eq!(i.encode(), (word, Felt::new(imm)));
            }
        }
    }

    #[test]
    fn instructions_assemble_from_their_display(i in instruction()) {
        let program = program(&i.to_string());
        prop_assert_eq!(program.instructions()[1], i);
    }

    #[test]
    fn only_canonical_values_are_elements(v in any::<u64>()) {
        prop_assert_eq!(canonical(v).is_some(), v < MODULUS);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn programs_survive_disassembly(
        code in prop::collection::vec(instruction(), 1..40),
        near in prop::collection::vec(0..50_u64, 40),
        keep in prop::collection::vec(any::<bool>(), 40),
    ) {
        let mut code = code;
        // Random immediates rarely hit the program: point some of the jumps into it.
        for (k, i) in code.iter_mut().enumerate() {
            let jump = matches!(i.op, Op::Beq | Op::Bne | Op::Bz | Op::Bnz | Op::Blt | Op::Bge) || i.use_imm;
            if jump && keep[k] {
                i.imm = Felt::new(near[k]);
            }
        }
        let program = Program::new(code).unwrap();
        let text = disassemble(&program);
        let back = assemble(&[Source::new("main.sasm", text.clone())]);
        prop_assert!(back.is_ok(), "{:?}\n{}", back, text);
        let back = back.unwrap();
        prop_assert_eq!(back.instructions(), program.instructions());
        prop_assert_eq!(back.hash(), program.hash());
        let unnamed = back.with_debug(Default::default());
        prop_assert_eq!(disassemble(&unnamed), text);
        let elements = program.to_elements();
        prop_assert_eq!(Program::from_elements(&elements).unwrap().hash(), program.hash());
    }
}
