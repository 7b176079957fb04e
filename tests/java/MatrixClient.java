public final class MatrixClient {}
