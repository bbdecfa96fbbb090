/** With a message: the SDK takes no more. */
export const MOST_FILES = 16;
