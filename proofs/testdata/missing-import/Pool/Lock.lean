import Pool.Types
import Pool.Gone

theorem Pool.nothing : True := trivial
