//! Symbols: an [Algebra] whose elements are nodes of a hash-consed graph.

use core::cell::RefCell;
use core::ops::{Add, Mul, Neg, Sub};
use std::collections::HashMap;

use starling_vm::algebra::Algebra;
use starling_vm::field::{Felt, MODULUS};
use winter_math::FieldElement;

use crate::definition::Extends;

/// A node of a [Graph].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub u32);

/// What a node computes. Operands come before the nodes that use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// A constant, below the modulus.
    Constant(u64),
    /// The input with this index.
    Input(u32),
    /// A sum.
    Add(Symbol, Symbol),
    /// A difference.
    Sub(Symbol, Symbol),
    /// A product.
    Mul(Symbol, Symbol),
}

/// Expressions that share their common parts.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    index: HashMap<Node, Symbol>,
}

/// Factors at most this far below the modulus become small ones with a minus sign.
const SMALL: u64 = 1 << 12;

impl Graph {
    /// The nodes, operands first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What `symbol` computes.
    pub fn node(&self, symbol: Symbol) -> Node {
        self.nodes[symbol.0 as usize]
    }

    /// The node `node`, simplified.
    pub fn insert(&mut self, node: Node) -> Symbol {
        let node = match self.simplified(node) {
            Ok(symbol) => return symbol,
            Err(node) => node,
        };
        let next = Symbol(self.nodes.len() as u32);
        *self.index.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            next
        })
    }

    fn constant(&self, symbol: Symbol) -> Option<u64> {
        match self.node(symbol) {
            Node::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// The symbol that `symbol` is the negative of.
    fn negated(&self, symbol: Symbol) -> Option<Symbol> {
        match self.node(symbol) {
            Node::Sub(zero, of) if self.constant(zero) == Some(0) => Some(of),
            _ => None,
        }
    }

    fn fold(&mut self, value: Felt) -> Result<Symbol, Node> {
        Ok(self.insert(Node::Constant(value.as_int())))
    }

    /// The symbol that stands for `node` already, or the node to insert.
    fn simplified(&mut self, node: Node) -> Result<Symbol, Node> {
        let felt = Felt::new;
        match node {
            Node::Constant(_) | Node::Input(_) => Err(node),
            Node::Add(a, b) => match (self.constant(a), self.constant(b)) {
                (Some(x), Some(y)) => self.fold(felt(x) + felt(y)),
                (Some(0), _) => Ok(b),
                (_, Some(0)) => Ok(a),
                (Some(_), None) => Ok(self.insert(Node::Add(b, a))),
                (None, Some(_)) => Err(node),
                (None, None) => match (self.negated(a), self.negated(b)) {
                    (_, Some(y)) => Ok(self.insert(Node::Sub(a, y))),
                    (Some(x), None) => Ok(self.insert(Node::Sub(b, x))),
                    (None, None) => Err(Node::Add(a.min(b), a.max(b))),
                },
            },
            Node::Sub(a, b) => match (self.constant(a), self.constant(b)) {
                _ if a == b => self.fold(Felt::ZERO),
                (Some(x), Some(y)) => self.fold(felt(x) - felt(y)),
                (_, Some(0)) => Ok(a),
                (None, Some(y)) => {
                    let negative = self.fold(-felt(y))?;
                    Ok(self.insert(Node::Add(a, negative)))
                }
                (_, None) => match self.negated(b) {
                    Some(y) => Ok(self.insert(Node::Add(a, y))),
                    None => Err(node),
                },
            },
            Node::Mul(a, b) => match (self.constant(a), self.constant(b)) {
                (Some(x), Some(y)) => self.fold(felt(x) * felt(y)),
                (Some(_), None) => Ok(self.insert(Node::Mul(b, a))),
                (None, Some(0)) => self.fold(Felt::ZERO),
                (None, Some(1)) => Ok(a),
                (None, Some(y)) if y >= MODULUS - SMALL => {
                    let positive = self.fold(-felt(y))?;
                    let product = self.insert(Node::Mul(a, positive));
                    let zero = self.fold(Felt::ZERO)?;
                    Ok(self.insert(Node::Sub(zero, product)))
                }
                (None, Some(_)) => Err(node),
                (None, None) => Err(Node::Mul(a.min(b), a.max(b))),
            },
        }
    }
}

// THE GRAPH BEING RECORDED
// ================================================================================================

thread_local! {
    /// Operators have no place for a graph among their arguments, so the one being recorded is the thread's.
    static CURRENT: RefCell<Graph> = RefCell::default();
}

/// Runs `record` with an empty graph, and returns what it returned with the graph that its operations built.
///
/// # Panics
/// When called from within `record`.
pub fn record<T>(record: impl FnOnce() -> T) -> (T, Graph) {
    let outer = CURRENT.with_borrow_mut(core::mem::take);
    assert!(outer.nodes.is_empty(), "recordings do not nest");
    let result = record();
    (result, CURRENT.with_borrow_mut(core::mem::take))
}

impl Symbol {
    fn new(node: Node) -> Self {
        CURRENT.with_borrow_mut(|graph| graph.insert(node))
    }

    /// The input with index `index`.
    pub fn input(index: usize) -> Self {
        Self::new(Node::Input(index as u32))
    }
}

impl Algebra for Symbol {
    fn constant(value: u64) -> Self {
        Self::new(Node::Constant(Felt::new(value).as_int()))
    }
}

impl Extends<Self> for Symbol {
    fn embed(a: Self) -> Self {
        a
    }

    fn scale(self, a: Self) -> Self {
        self * a
    }
}

impl Add for Symbol {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(Node::Add(self, other))
    }
}

impl Sub for Symbol {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::new(Node::Sub(self, other))
    }
}

impl Mul for Symbol {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self::new(Node::Mul(self, other))
    }
}

impl Neg for Symbol {
    type Output = Self;
    fn neg(self) -> Self {
        Self::constant(0) - self
    }
}
