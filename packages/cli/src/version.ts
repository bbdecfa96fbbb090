/** The version of this package; a test compares it with package.json. A constant, since a single-file program has no package. */
export const VERSION = "0.1.0";
