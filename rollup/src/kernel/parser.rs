//! Prints the kernel's parser of records, `rollup/kernel/records.sasm`, from the table of layouts.

use std::fmt::Write;

use crate::record::{Field, LAYOUTS, Layout, TAG_BITS, WordLayout};

/// The first memory cell of the fields.
const FIELDS: usize = 32;

/// The parser's source.
pub fn source() -> String {
    let mut text = String::from(
        "# Reads records. Printed from the table of layouts (`rollup/src/record.rs`); a test compares.\n\
         #\n\
         # A procedure reads the record whose first element is at r14 into the cells of its fields, checks that no bit\n\
         # belongs to no field, and moves r14 behind the record.\n\
         # clobbers: q0 r4 r5 r6\n\nuse codes\n\n",
    );
    let cells = cells();
    let mut print = |line: String| {
        text.push_str(line.trim_end());
        text.push('\n');
    };
    print(format!("pub const TAG_SIZE = 1 << {TAG_BITS}\n"));
    for (number, name) in cells.iter().enumerate() {
        print(format!("pub const {} = {}", constant(name), FIELDS + number));
    }
    for layout in distinct() {
        print(String::new());
        print(procedure(layout));
    }
    text
}

/// Layouts with different words: entries of the queue share theirs, and the procedure `entry`.
fn distinct() -> Vec<&'static Layout> {
    let mut found: Vec<&Layout> = Vec::new();
    for layout in &LAYOUTS {
        if found.iter().all(|other| other.words != layout.words) {
            found.push(layout);
        }
    }
    found
}

fn procedure_name(layout: &Layout) -> &'static str {
    let shared = LAYOUTS.iter().filter(|other| other.words == layout.words).count() > 1;
    if shared { "entry" } else { layout.name }
}

fn constant(name: &str) -> String {
    name.to_uppercase()
}

/// The fields that get a cell, each name once.
fn cells() -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    let mut add = |name: &'static str| {
        if name != "tag" && !names.contains(&name) {
            names.push(name);
        }
    };
    for word in LAYOUTS.iter().flat_map(|layout| layout.words) {
        match word {
            WordLayout::Element(name) => add(name),
            WordLayout::Packed(fields) => fields.iter().for_each(|field| add(field.name)),
        }
    }
    names
}

fn procedure(layout: &Layout) -> String {
    let mut out = format!("pub proc {}\n", procedure_name(layout));
    for (number, word) in layout.words.iter().enumerate() {
        let address = if number == 0 {
            "[r14]".into()
        } else {
            format!("[r14 + {number}]")
        };
        let _ = writeln!(out, "    ld1 r0, {address}");
        match word {
            WordLayout::Element(name) => store(&mut out, name, "r0"),
            WordLayout::Packed([Field { name, bits: 63 }]) => {
                out.push_str("    u63.chk r0\n");
                store(&mut out, name, "r0");
            }
            WordLayout::Packed([Field { name, bits: 32 }]) => {
                out.push_str("    u32.chk r0\n");
                store(&mut out, name, "r0");
            }
            WordLayout::Packed(fields) => packed(&mut out, fields),
        }
    }
    let _ = write!(out, "    add r14, r14, {}\n    ret\nend", layout.words.len());
    out
}

fn store(out: &mut String, name: &str, register: &str) {
    if name != "tag" {
        let _ = writeln!(out, "    st1 {register}, [{}]", constant(name));
    }
}

/// Fields of r0, cut off from the lowest bits of each half; one that lies in both halves is put together.
fn packed(out: &mut String, fields: &[Field]) {
    out.push_str("    u32.split p1, r0\n");
    let mut halves: [Vec<Part>; 2] = [Vec::new(), Vec::new()];
    let mut from = 0;
    for field in fields {
        let to = from + field.bits;
        for (half, parts) in halves.iter_mut().enumerate() {
            let (low, high) = (32 * half as u32, 32 * half as u32 + 32);
            let bits = to.min(high).saturating_sub(from.max(low));
            if bits > 0 {
                parts.push(Part {
                    name: field.name,
                    bits,
                    before: field.bits - bits,
                    last: to <= high,
                });
            }
        }
        from = to;
    }
    for (half, parts) in halves.iter().enumerate() {
        limb(out, if half == 0 { "r2" } else { "r3" }, parts);
    }
}

/// A part of a field in one half.
struct Part {
    name: &'static str,
    bits: u32,
    /// Bits of the field in the other half.
    before: u32,
    /// Whether the field ends in this half.
    last: bool,
}

fn limb(out: &mut String, register: &str, parts: &[Part]) {
    let mut rest = register;
    let mut free = 32;
    for part in parts {
        free -= part.bits;
        // What is left of the half, cut into the part (r5) and the rest (r4).
        let found = if free == 0 {
            rest
        } else {
            let _ = writeln!(out, "    u32.divp p2, {rest}, 1 << {}", part.bits);
            rest = "r4";
            "r5"
        };
        match (part.last, part.before) {
            (true, 0) => store(out, part.name, found),
            (true, before) => {
                let _ = writeln!(out, "    mul r5, {found}, 1 << {before}\n    add r5, r5, r6");
                store(out, part.name, "r5");
            }
            (false, _) => {
                let _ = writeln!(out, "    mov r6, {found}");
            }
        }
    }
    if free > 0 {
        let _ = writeln!(out, "    assert.z {rest}, codes::STRAY_BITS");
    }
}
