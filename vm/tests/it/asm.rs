//! The assembler: what it accepts, what it says of the rest, and that nothing makes it panic.

use proptest::prelude::*;
use starling_vm::asm::{Source, assemble, assemble_with, disassemble};
use starling_vm::field::Felt;

use crate::support::{errors, execute, ints, program};

/// What `text` leaves in public output 0.
fn output(text: &str) -> u64 {
    let outcome = execute(text, &[], &[]).unwrap_or_else(|trap| panic!("{trap}\n{text}"));
    outcome.outputs[0].as_int()
}

fn constant(expr: &str) -> u64 {
    output(&format!("const C = {expr}\n mov r0, C\n out r0, 0\n halt"))
}

#[test]
fn expressions() {
    assert_eq!(constant("1 + 2 * 3"), 7);
    assert_eq!(constant("(1 + 2) * 3"), 9);
    assert_eq!(constant("10 - 3 - 2"), 5);
    assert_eq!(constant("1 << 3 + 1"), 16);
    assert_eq!(constant("1 << 2 << 3"), 32);
    assert_eq!(constant("0xff_ff"), 0xffff);
    assert_eq!(constant("0b101"), 5);
    assert_eq!(constant("-1"), 0xffff_ffff_0000_0000);
    assert_eq!(constant("-(2 - 3) * --4"), 4);
    assert_eq!(constant("(1 << 64) - (1 << 32)"), 0xffff_ffff_0000_0000);
    assert_eq!(constant("0xffff_ffff_0000_0000"), 0xffff_ffff_0000_0000);
}

#[test]
fn expressions_out_of_range_are_refused() {
    for (expr, message) in [
        ("(1 << 64) - (1 << 32) + 1", "does not fit a field element"),
        ("-0xffff_ffff_0000_0001", "does not fit a field element"),
        ("1 << 100", "overflows"),
        ("1 << -1", "overflows"),
        ("(1 << 99) * (1 << 99)", "overflows"),
        ("18446744073709551616", "not an integer below 2^64"),
        ("0x", "not an integer"),
        ("12ab", "not an integer"),
        ("1 +", "an operand is missing"),
        ("(1", "`)` is missing"),
        ("r1", "is a register"),
        ("nobody", "nothing is called `nobody`"),
        ("C", "defined by itself"),
    ] {
        let found = errors(&format!("const C = {expr}\n mov r0, C\n halt"));
        assert!(found[0].message.contains(message), "{expr}: {}", found[0]);
    }
}

#[test]
fn deep_and_long_expressions_do_not_exhaust_the_stack() {
    for expr in [
        format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("{}1", "-".repeat(100_000)),
        format!("1{}", "+1".repeat(100_000)),
    ] {
        assert_eq!(errors(&format!("mov r0, {expr}\n halt")).len(), 1);
    }
    assert_eq!(constant(&format!("1{}", "+1".repeat(500))), 501);
    // A long chain of constants, in order and in the wrong order.
    let chain = |order: &mut dyn Iterator<Item = u32>| {
        let mut text: String = order.map(|i| format!("const c{} = c{i} + 1\n", i + 1)).collect();
        text.push_str("const c0 = 0\n mov r0, c10000\n out r0, 0\n halt");
        text
    };
    assert_eq!(output(&chain(&mut (0..10_000))), 10_000);
    assert!(errors(&chain(&mut (0..10_000).rev()))[0].message.contains("long chain"));
}

#[test]
fn constants_labels_procedures_and_aliases() {
    let text = "
        const STEP = 3
        proc main
            const TIMES = 4            # local
            reg sum = r5
            reg left = r6
            mov sum, 0
            mov left, TIMES
        again: call bump
            sub left, left, 1
            bnz left, again
            out sum, 0
            halt
        end
        proc bump
        again:                         # another label of the same name
            add r5, r5, STEP
            ret
        end
        proc unused
            call unused
            halt
        end";
    let p = program(text);
    assert_eq!(p.instructions().len(), 1 + 7 + 2, "unused procedures are not linked");
    assert_eq!(output(text), 12);
    let labels: Vec<_> = p
        .debug()
        .labels
        .iter()
        .map(|(at, name)| format!("{at} {name}"))
        .collect();
    assert_eq!(labels, ["0 halt", "1 main", "3 main.again", "8 bump", "8 bump.again"]);
    let span = p.debug().spans[8].unwrap();
    assert_eq!((span.file, span.line, span.column), (0, 17, 13));
    assert_eq!(p.debug().spans.len(), p.instructions().len());
}

#[test]
fn modules() {
    let main = Source::new(
        "main.sasm",
        "use lib::fee\n use lib::fee as again\n use std::u64\n proc main\n mov r0, 5\n call fee::add\n add r0, r0, again::FEE\n out r0, 0\n halt\n end",
    );
    let lib = Source::new(
        "lib/fee.sasm",
        "use main2\n pub const FEE = main2::BASE * 2\n const SECRET = 1\n pub proc add\n add r0, r0, FEE\n jmp helper\n end\n proc helper\n ret\n end",
    );
    let base = Source::new(
        "main2.sasm",
        "use lib::fee\n pub const BASE = 50\n pub const BACK = fee::FEE",
    );
    let program = assemble(&[main.clone(), lib.clone(), base.clone()]).unwrap();
    let names: Vec<_> = program.debug().labels.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["halt", "main", "lib::fee::add", "lib::fee::helper"]);
    let outcome = starling_vm::executor::run(&program, &Default::default(), 100).unwrap();
    assert_eq!(ints(&outcome.outputs), [205]);

    let loaded = assemble_with(main, |path| match path {
        "lib::fee" => Some(lib.clone()),
        "main2" => Some(base.clone()),
        _ => None,
    });
    assert_eq!(loaded.unwrap().hash(), program.hash());
}

#[test]
fn module_errors() {
    for (text, message, help) in [
        ("use std::u46\n halt", "no module `std::u46`", "std::u64"),
        ("use lost\n halt", "no module `lost`", "lost.sasm"),
        ("call u64::add\n halt", "no module `u64` is in use", "use std::u64"),
        ("use std::u64\n call u64::ad\n halt", "has no `ad`", "u64::add"),
        (
            "use std::u64\n use std::u64\n halt",
            "two modules are called `u64`",
            "as NAME",
        ),
        ("use std::u64\n call std::u64::add\n halt", "one `::`", "b::name"),
    ] {
        let found = errors(text);
        assert!(found[0].message.contains(message), "{}", found[0]);
        assert!(found[0].help.as_ref().unwrap().contains(help), "{}", found[0]);
    }
    let private = assemble(&[
        Source::new("m.sasm", "use a\n call a::b\n halt"),
        Source::new("a.sasm", "proc b\n ret\n end"),
    ]);
    assert!(private.unwrap_err()[0].message.contains("private"));
    let flat = assemble(&[Source::new("m.sasm", "use a\n halt"), Source::new("a.sasm", "halt")]);
    assert!(flat.unwrap_err()[0].message.contains("outside procedures"));
}

#[test]
fn errors_show_the_line_and_what_to_do() {
    let found = errors("proc main\n\tu32.adddw\tr1, r2, 3\n  add r1, q2, 3\n  halt\nend\n");
    assert_eq!(found.len(), 2);
    assert_eq!(
        found[0].to_string(),
        "error: there is no instruction `u32.adddw`\n --> main.sasm:2:2\n  |\n2 | \tu32.adddw\tr1, r2, 3\n  | \t^^^^^^^^^\n  = help: did you mean `u32.addw`?"
    );
    assert_eq!(
        found[1].to_string(),
        "error: a register, r0 to r15, is needed as operand 2 of `add`\n --> main.sasm:3:11\n  |\n3 |   add r1, q2, 3\n  |           ^^\n  = help: it is written `add rD, rA, rB|imm`"
    );
}

#[test]
fn every_mistake_has_its_message() {
    for (text, line, message) in [
        ("", 1, "there is no `proc main`"),
        ("const X = 1", 1, "there is no `proc main`"),
        ("halt\nproc main\nhalt\nend", 1, "outside procedures beside `proc main`"),
        ("proc main\nhalt", 1, "has no `end`"),
        ("halt\nend", 2, "closes nothing"),
        ("proc main\nproc b\nhalt\nend", 2, "begins inside"),
        ("proc main\nnop\nend", 1, "run past the end of `main`"),
        ("proc main\nhalt\nx:\nend", 1, "run past the end of `main`"),
        ("call f\nproc f\nret\nend", 1, "run past the end of `main`"),
        ("proc f\nret\nend\nproc f\nret\nend\nhalt", 4, "`f` is defined twice"),
        ("x:\nx:\nhalt", 2, "`x` is defined twice"),
        ("const x = 1\nx:\nhalt", 2, "`x` is defined twice"),
        ("const x = 1\nconst x = 1\nhalt", 2, "`x` is defined twice"),
        ("reg a = r1\nreg a = r2\nhalt", 2, "defined twice"),
        ("reg a = 5\nhalt", 1, "a register is missing"),
        ("const r1 = 5\nhalt", 1, "`r1` is reserved"),
        ("const a.b = 5\nhalt", 1, "has a dot"),
        ("const a 5\nhalt", 1, "`=` is missing"),
        ("pub halt", 1, "`pub` stands before"),
        ("add r1, r2\nhalt", 1, "takes 3 operands, 2 are given"),
        ("add r1, r2, r3, r4\nhalt", 1, "takes 3 operands, 4 are given"),
        ("add r16, r2, 1\nhalt", 1, "nothing is called `r16`"),
        ("ld r1, [r2]\nhalt", 1, "a quad, q0 to q3, is needed"),
        ("u32.addp r1, r2, r3\nhalt", 1, "a pair, p0 to p7, is needed"),
        ("ld q1, r2\nhalt", 1, "a memory address"),
        ("ld q1, [r2\nhalt", 1, "`]` is missing"),
        ("ld q1, [q2]\nhalt", 1, "an address is in one register"),
        ("ld q1, [4 + r2]\nhalt", 1, "`r2` is a register"),
        ("beq r1, r2, r3\nhalt", 1, "a label or a constant"),
        ("mstep q3, q0, q1\nhalt", 1, "register field"),
        ("u32.shl r1, r2, 32\nhalt", 1, "from 0 to 31"),
        ("u32.shl r1, r1, r2\nhalt", 1, "needs different registers"),
        ("div r1, r1, r2\nhalt", 1, "needs different registers"),
        ("ret r1\nhalt", 1, "not the operands of `ret`"),
        ("add r1, r2, 1 2\nhalt", 1, "one thing too many"),
        ("add r1, r2,\nhalt", 1, "an operand is missing"),
        ("add r1 r2, 3\nhalt", 1, "one thing too many"),
        ("mov r1, x + 1\nx: halt", 1, "no arithmetic on addresses"),
        ("mov r1, \u{e9}\nhalt", 1, "means nothing here"),
        ("1: halt", 1, "begins with a word"),
        ("jmp lop\nloop: halt", 1, "nothing is called `lop`"),
        ("proc main\nuse std::u64\nhalt\nend", 2, "`use` inside"),
        ("proc main\npub const X = 1\nhalt\nend", 2, "cannot be public"),
    ] {
        let found = errors(text);
        let hit = found.iter().find(|e| e.message.contains(message));
        let hit = hit.unwrap_or_else(|| panic!("{text:?} gives {found:#?}, not {message}"));
        assert_eq!(hit.line, line, "{text:?}: {hit}");
        assert!(
            hit.help.is_some() || hit.message.contains("defined twice"),
            "no help: {hit}"
        );
    }
}

#[test]
fn many_errors_at_once_in_order() {
    let found = errors("bad1\nadd r1\nmov r1, nobody\nend\n");
    let lines: Vec<_> = found.iter().map(|e| e.line).collect();
    assert_eq!(lines, [1, 2, 3, 4]);
    assert_eq!(errors(&"bad\n".repeat(5_000)).len(), 100);
}

#[test]
fn too_long_programs_are_refused() {
    let found = errors(&"nop\n".repeat(1 << 18));
    assert!(found[0].message.contains("at most 262144"), "{}", found[0]);
}

#[test]
fn numeric_targets_and_addresses_of_labels() {
    assert_eq!(
        output("mov r1, here\n jmp r1\n out r1, 1\nhere: out r1, 0\n bz r0, 0"),
        4
    );
    let p = program("jal r3, back\nback: jmp r3");
    assert_eq!(p.instructions()[1].imm, Felt::new(2));
}

#[test]
fn disassembly_of_a_program_with_names() {
    let p =
        program("proc main\n mov r1, 3\nloop: sub r1, r1, 1\n bnz r1, loop\n call f\n halt\n end\n proc f\n ret\n end");
    let text = disassemble(&p);
    let lines: Vec<_> = text.lines().skip(1).map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "# main",
            "mov r1, 3",
            "# main.loop",
            "L2:",
            "sub r1, r1, 1",
            "bnz r1, L2",
            "jal r15, L6",
            "halt",
            "# f",
            "L6:",
            "jmp r15"
        ]
    );
}

const SOUP: &[&str] = &[
    "add",
    "mov",
    "u32.add",
    "u32.shl",
    "u32.rotr",
    "ld",
    "st",
    "call",
    "ret",
    "halt",
    "jmp",
    "beq",
    "hint",
    "mstep",
    "proc",
    "end",
    "pub",
    "const",
    "use",
    "as",
    "reg",
    "main",
    "f",
    "x",
    "std",
    "u64",
    "r0",
    "r15",
    "r16",
    "p0",
    "q3",
    "0",
    "1",
    "31",
    "32",
    "0xffffffffffffffff",
    "18446744073709551615",
    "-",
    "+",
    "*",
    "<<",
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    "::",
    "=",
    "#",
    "\n",
    "\n",
    "\n",
    "\t",
    "é",
    ".",
    "fail",
    "assert.z",
    "div",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_text_panics(text in "(?s).{0,200}") {
        let _ = assemble(&[Source::new("main.sasm", text)]).map_err(|e| e.iter().map(ToString::to_string).collect::<String>());
    }

    #[test]
    fn no_token_soup_panics(tokens in prop::collection::vec(0..SOUP.len(), 0..80)) {
        let text = tokens.iter().map(|t| SOUP[*t]).collect::<Vec<_>>().join(" ");
        match assemble(&[Source::new("main.sasm", text.clone()), Source::new("x.sasm", text)]) {
            Ok(program) => {
                let again = assemble(&[Source::new("main.sasm", disassemble(&program))]).unwrap();
                prop_assert_eq!(again.instructions(), program.instructions());
            }
            Err(errors) => prop_assert!(errors.iter().all(|e| !e.to_string().is_empty())),
        }
    }
}
