/**
 * Boxes: what an item, a carton and a package have in common. Lengths in millimetres, weights in grams, volumes in cubic
 * millimetres; all of them whole numbers that a double holds exactly (10 m cubed is 10^12).
 */

/** The three sides of a box, longest first. */
export type Sides = readonly [longestMm: number, middleMm: number, shortestMm: number];

/** The sides of a box that may lie any way. */
export function sidesOf(box: { lengthMm: number; widthMm: number; heightMm: number }): Sides {
  const [longest = 0, middle = 0, shortest = 0] = [box.lengthMm, box.widthMm, box.heightMm].sort((a, b) => b - a);
  return [longest, middle, shortest];
}

/** Volume in cubic millimetres. */
export function volumeOf([longest, middle, shortest]: Sides): number {
  return longest * middle * shortest;
}

/** Whether a box goes into another with its sides parallel to it, turned as needed. */
export function fitsInto(inner: Sides, outer: Sides): boolean {
  return inner[0] <= outer[0] && inner[1] <= outer[1] && inner[2] <= outer[2];
}
