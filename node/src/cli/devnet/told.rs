//! What the contracts have told on L1, as far as the devnet looks at it.

use starling_rollup::address::L1Address;

use crate::l1::abi::{ROLLUP, Reader, STAKING};
use crate::l1::deploy::Deployment;
use crate::l1::{Hash, L1, L1Error};

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Committed {
        batch: u64,
        committer: L1Address,
        transaction: Hash,
    },
    Proven {
        first: u64,
        last: u64,
        payee: L1Address,
    },
    Pruned {
        first: u64,
        last: u64,
    },
    Slashed {
        operator: L1Address,
        amount: u128,
    },
    Equivocated {
        operator: L1Address,
    },
    Neglected {
        operator: L1Address,
    },
    Jailed {
        operator: L1Address,
    },
}

/// The events in blocks `from` to `to`, each with its block: the rollup's in order, then the validators' in order.
pub(super) async fn told(
    l1: &dyn L1,
    deployment: &Deployment,
    from: u64,
    to: u64,
) -> Result<Vec<(u64, Told)>, L1Error> {
    let mut found = Vec::new();
    for log in l1.logs(deployment.rollup, from, to).await? {
        let Some((name, values)) = ROLLUP.event(&log)? else {
            continue;
        };
        let mut values = Reader::new("an event", values);
        let told = match name.as_str() {
            "Committed" => Told::Committed {
                batch: values.uint()?,
                committer: values.address()?,
                transaction: log.transaction,
            },
            "Proven" => {
                let (first, last) = (values.uint()?, values.uint()?);
                values.bytes32()?;
                let payee = values.address()?;
                Told::Proven { first, last, payee }
            }
            "Pruned" => Told::Pruned {
                first: values.uint()?,
                last: values.uint()?,
            },
            _ => continue,
        };
        found.push((log.block, told));
    }
    for log in l1.logs(deployment.staking, from, to).await? {
        let Some((name, values)) = STAKING.event(&log)? else {
            continue;
        };
        let mut values = Reader::new("an event", values);
        let told = match name.as_str() {
            "Slashed" => Told::Slashed {
                operator: values.address()?,
                amount: values.wei()?,
            },
            "Equivocated" => Told::Equivocated {
                operator: values.address()?,
            },
            "Neglected" => Told::Neglected {
                operator: values.address()?,
            },
            "Jailed" => Told::Jailed {
                operator: values.address()?,
            },
            _ => continue,
        };
        found.push((log.block, told));
    }
    Ok(found)
}
