// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What the contract owes, and how it pays.
/// @notice No payment can block anything else: what a receiver refuses is owed to it, and waits. A debt is struck out before
/// the money leaves, so that a receiver that calls back finds nothing left.
abstract contract Ledger {
    /// @notice Nothing is owed to the account.
    error Ledger__NothingOwed(address account);
    /// @notice The account did not take the payment; it stays owed.
    error Ledger__Refused(address account);

    /// @notice A debt was paid.
    event Collected(address indexed account, uint256 amount);

    /// @notice Wei owed to an account: bonds, fees, rewards, payments that it refused.
    mapping(address account => uint256 amount) public owed;

    /// @notice Pays what is owed to `account`, to itself. Anyone may call: a contract that can take money but not ask for
    /// it, whose claim somebody sent with too little gas, still gets it.
    function collect(address account) external {
        uint256 amount = owed[account];
        if (amount == 0) revert Ledger__NothingOwed(account);
        owed[account] = 0;
        emit Collected(account, amount);
        if (!_send(account, amount)) revert Ledger__Refused(account);
    }

    /// @notice Owes `amount` to `account`.
    function _credit(address account, uint256 amount) internal {
        owed[account] += amount;
    }

    /// @notice Pays `amount` to `account`, or owes it if the account refuses. Callers have done all their own changes.
    function _pay(address account, uint256 amount) internal {
        if (!_send(account, amount)) _credit(account, amount);
    }

    /// @dev What the receiver returns is not copied: it could be made long to burn the caller's gas.
    function _send(address account, uint256 amount) private returns (bool success) {
        assembly ("memory-safe") {
            success := call(gas(), account, amount, 0, 0, 0, 0)
        }
    }
}
