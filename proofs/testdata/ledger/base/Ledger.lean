import Ledger.Claims
import Ledger.Dropped
