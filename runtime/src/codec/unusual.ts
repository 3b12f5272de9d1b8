/**
 * The one signal by which compiled code gives a message up: the caller then lets the library do the whole message, which
 * answers or throws as it always has. Compiled code therefore needs no error texts of its own.
 */

/** Thrown, never shown. One object, made ahead, because it says nothing about where it came from. */
export const unusual = new Error('this message is left to the library');
