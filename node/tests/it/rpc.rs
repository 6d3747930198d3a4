//! The methods in `specs/node.md` are those of the code.

const PAGE: &str = include_str!("../../../specs/node.md");
const METHODS: &str = include_str!("../../src/rpc.rs");
const SUBSCRIPTIONS: &str = include_str!("../../src/rpc/subscribe.rs");
const ANSWERS: &str = include_str!("../../src/rpc/answers.rs");

/// The rows of the page's tables of methods and subscriptions: method, parameters, fields.
fn rows() -> Vec<(String, Vec<String>, Vec<String>)> {
    let quoted = |cell: &str| {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let method = cells.get(1)?.strip_prefix("`starling_")?.strip_suffix('`')?;
        Some((method.to_owned(), quoted(cells[2]), quoted(cells[3])))
    };
    let (_, rest) = PAGE.split_once("## JSON-RPC").unwrap();
    let (table, _) = rest.split_once("\n## ").unwrap();
    table.lines().filter_map(row).collect()
}

/// What a trait declares below each `mark`: name and parameters.
fn declared<'a>(code: &'a str, mark: &'a str) -> impl Iterator<Item = (String, Vec<String>)> + 'a {
    code.split(mark).skip(1).map(|text| {
        let (name, rest) = text.split_once('"').unwrap();
        let (_, rest) = rest.split_once("(&self").unwrap();
        let (parameters, _) = rest.split_once(')').unwrap();
        let names = parameters
            .split(',')
            .filter_map(|text| Some(text.split_once(':')?.0.trim().to_owned()));
        (name.to_owned(), names.collect::<Vec<_>>())
    })
}

#[test]
fn methods_and_parameters_are_the_pages() {
    let (api, _) = METHODS.split_once("pub mod code").unwrap();
    let (subscriptions, _) = SUBSCRIPTIONS.split_once("\nimpl ").unwrap();
    let subscriptions: String = subscriptions.split_whitespace().collect::<Vec<_>>().join(" ");
    let subscriptions = subscriptions.replace("#[subscription( ", "#[subscription(");
    let methods = declared(api, "#[method(name = \"");
    let all = methods.chain(declared(&subscriptions, "#[subscription(name = \""));
    let page = rows().into_iter().map(|(method, parameters, _)| (method, parameters));
    assert_eq!(all.collect::<Vec<_>>(), page.collect::<Vec<_>>());
}

/// Each answer's fields stand below the line that names its method.
#[test]
fn answers_are_the_pages() {
    for (method, _, fields) in rows() {
        let Some((_, rest)) = ANSWERS.split_once(&format!("`starling_{method}`")) else {
            assert!(fields.is_empty(), "{method} has no fields in the code");
            continue;
        };
        let (body, _) = rest.split_once("\n}").unwrap();
        let names = body
            .lines()
            .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'));
        let names: Vec<_> = names.map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, fields, "{method}");
    }
}
