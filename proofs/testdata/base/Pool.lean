import Pool.Types
import Pool.Lock
