import Ledger.Claims
