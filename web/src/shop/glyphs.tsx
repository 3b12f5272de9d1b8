/**
 * Outlines of things, drawn in a box of 96 x 96: `body` is the thing, `mark` what is on it. An item's picture takes the one of
 * its category, the finer one first; a category without one takes the plain parcel.
 */

/** One outline: path data. */
export type Glyph = { readonly body: string; readonly mark?: string; readonly line?: string };

const parcel: Glyph = {
  body: 'M16 34 48 20l32 14v36L48 84 16 70z',
  line: 'M16 34l32 14 32-14M48 48v36',
  mark: 'M30 27.500l32 14v11l-7-3v-8L23 30.500z',
};

const GLYPHS: Readonly<Record<string, Glyph>> = {
  'coffee-tea/coffee': {
    body: 'M28 24h40l4 10v46H24V34z',
    mark: 'M36 44h24v22H36z',
    line: 'M24 34h48M48 48c-5 4 5 10 0 15',
  },
  'coffee-tea/tea': {
    body: 'M22 40h44v16a22 20 0 0 1-44 0z',
    mark: 'M66 44h6a9 9 0 0 1 0 18h-8v-5h7a4 4 0 0 0 0-8h-5z',
    line: 'M18 82h52M36 32c-4-5 4-8 0-14M50 32c-4-5 4-8 0-14',
  },
  'coffee-tea/brewing': { body: 'M24 26h48L56 54H40z', mark: 'M34 60h28l5 22H29z', line: 'M20 26h56M48 54v8' },
  pantry: {
    body: 'M28 34h40a6 6 0 0 1 6 6v36a8 8 0 0 1-8 8H30a8 8 0 0 1-8-8V40a6 6 0 0 1 6-6z',
    mark: 'M28 18h40v12H28zM30 48h36v22H30z',
    line: 'M36 56h24M36 62h16',
  },
  'pantry/sauces': {
    body: 'M42 14h12v16c0 6 10 8 10 18v32a4 4 0 0 1-4 4H36a4 4 0 0 1-4-4V48c0-10 10-12 10-18z',
    mark: 'M32 54h32v18H32z',
    line: 'M40 22h16',
  },
  'pantry/tinned-fish': {
    body: 'M14 34h68a6 6 0 0 1 6 6v20a10 10 0 0 1-10 10H18A10 10 0 0 1 8 60V40a6 6 0 0 1 6-6z',
    mark: 'M28 52c8-9 22-9 30 0l8-6v12l-8-6c-8 9-22 9-30 0z',
    line: 'M12 34l24-8h8',
  },
  kitchen: {
    body: 'M40 52h16l4 30a8 8 0 0 1-24 0z',
    mark: 'M48 12c11 0 16 9 16 20S58 54 48 54 32 43 32 32s5-20 16-20z',
    line: 'M48 54v24',
  },
  'kitchen/knives': { body: 'M12 62C30 30 54 20 84 18l-30 40z', mark: 'M50 58l8 6-16 20-12-8z', line: 'M20 58 74 22' },
  'kitchen/cookware': {
    body: 'M20 42h56v26a12 12 0 0 1-12 12H32a12 12 0 0 1-12-12z',
    mark: 'M16 34h64v8H16z',
    line: 'M44 28h8M10 48h10M76 48h10',
  },
  'kitchen/boards': {
    body: 'M26 16h44a6 6 0 0 1 6 6v56a6 6 0 0 1-6 6H26a6 6 0 0 1-6-6V22a6 6 0 0 1 6-6z',
    mark: 'M44 22h8v8h-8z',
    line: 'M32 40c6 6-4 18 2 34M46 40c6 8-4 20 2 34M62 40c4 10-4 18 0 34',
  },
  'kitchen/storage': {
    body: 'M26 30h44v48a6 6 0 0 1-6 6H32a6 6 0 0 1-6-6z',
    mark: 'M24 16h48v12H24z',
    line: 'M34 42v28M62 42v12',
  },
  'home-textiles': {
    body: 'M18 30h52a8 8 0 0 1 8 8v12H26a8 8 0 0 0-8-8z',
    mark: 'M18 42a8 8 0 0 1 8 8h52v12H26a8 8 0 0 1-8 8z',
    line: 'M18 70h52a8 8 0 0 0 8-8M18 30v40',
  },
  'home-textiles/bed': {
    body: 'M14 36c10-6 58-6 68 0 6 10 6 26 0 36-10 6-58 6-68 0-6-10-6-26 0-36z',
    mark: 'M26 46h44v16H26z',
    line: 'M14 36l6 8M82 36l-6 8M14 72l6-8M82 72l-6-8',
  },
  'home-textiles/bath': {
    body: 'M26 18h44v62H26z',
    mark: 'M26 56h44v10H26z',
    line: 'M26 72h44M16 18h64M34 80v4M44 80v4M54 80v4M64 80v4',
  },
  books: {
    body: 'M24 16h44a6 6 0 0 1 6 6v58H28a6 6 0 0 1-6-6V18z',
    mark: 'M36 30h26v12H36z',
    line: 'M22 74a6 6 0 0 1 6-6h46M36 50h18',
  },
  'books/children': {
    body: 'M12 26c12-6 26-4 36 4 10-8 24-10 36-4v50c-12-6-26-4-36 4-10-8-24-10-36-4z',
    mark: 'M60 42a8 8 0 1 1 16 0 8 8 0 0 1-16 0z',
    line: 'M48 30v50M20 42h18M20 50h14M20 58h18',
  },
  stationery: {
    body: 'M20 66 62 24l12 12-42 42-16 4z',
    mark: 'M66 20l4-4a6 6 0 0 1 9 0l3 3a6 6 0 0 1 0 9l-4 4z',
    line: 'M20 66l12 12',
  },
  'stationery/notebooks': {
    body: 'M28 14h42a6 6 0 0 1 6 6v56a6 6 0 0 1-6 6H28z',
    mark: 'M20 14h8v68h-8z',
    line: 'M64 14v68M38 32h16M38 40h10',
  },
  'stationery/pens': {
    body: 'M30 12h12v52l-6 18-6-18z',
    mark: 'M54 12h12v46a6 6 0 0 1-12 0z',
    line: 'M30 30h12M66 20h4v24',
  },
  'stationery/paper': { body: 'M22 14h38l14 14v54H22z', mark: 'M60 14v14h14z', line: 'M32 42h32M32 52h32M32 62h20' },
  'stationery/desk': {
    body: 'M22 40h52v36a6 6 0 0 1-6 6H28a6 6 0 0 1-6-6z',
    mark: 'M30 40V20h8v20zM44 40V12h8v28zM58 40V24h8v16z',
    line: 'M22 54h52',
  },
  'toys-games': {
    body: 'M14 50h32v32H14zM52 50h32v32H52z',
    mark: 'M33 12h32v32H33z',
    line: 'M24 60h12v12H24zM68 58a8 8 0 1 1 0 16 8 8 0 0 1 0-16',
  },
  'toys-games/games': {
    body: 'M24 18h48a8 8 0 0 1 8 8v44a8 8 0 0 1-8 8H24a8 8 0 0 1-8-8V26a8 8 0 0 1 8-8z',
    mark: 'M32 30a5 5 0 1 1 0 10 5 5 0 0 1 0-10zM64 30a5 5 0 1 1 0 10 5 5 0 0 1 0-10zM48 43a5 5 0 1 1 0 10 5 5 0 0 1 0-10zM32 56a5 5 0 1 1 0 10 5 5 0 0 1 0-10zM64 56a5 5 0 1 1 0 10 5 5 0 0 1 0-10z',
  },
  'toys-games/puzzles': {
    body: 'M18 34h18c-5-14 17-14 12 0h18v16c14-5 14 17 0 12v20H18V64c-12 4-12-16 0-12z',
    mark: 'M30 60h22v10H30z',
  },
  'toys-games/soft': {
    body: 'M48 22c16 0 26 12 26 28S62 82 48 82 22 66 22 50s10-28 26-28z',
    mark: 'M20 16a9 9 0 1 1 6 17zM76 16a9 9 0 1 0-6 17z',
    line: 'M38 46v3M58 46v3M42 60c3 5 9 5 12 0',
  },
  bicycle: {
    body: 'M48 12a36 36 0 1 1 0 72 36 36 0 0 1 0-72zm0 9a27 27 0 1 0 0 54 27 27 0 0 0 0-54z',
    mark: 'M48 41a7 7 0 1 1 0 14 7 7 0 0 1 0-14z',
    line: 'M48 21v54M21 48h54M29 29l38 38M67 29 29 67',
  },
  'bicycle/drivetrain': {
    body: 'M48 14l6 9 10-4 2 11 11 2-4 10 9 6-9 6 4 10-11 2-2 11-10-4-6 9-6-9-10 4-2-11-11-2 4-10-9-6 9-6-4-10 11-2 2-11 10 4z',
    mark: 'M48 36a12 12 0 1 1 0 24 12 12 0 0 1 0-24z',
  },
  'bicycle/lights': { body: 'M20 32h24l12 8v16l-12 8H20z', mark: 'M60 40 84 28v40L60 56z', line: 'M28 64v16M20 48h18' },
  outdoor: { body: 'M48 18 88 78H8z', mark: 'M48 40 66 78H30z', line: 'M48 18v-6M48 40v38' },
  'outdoor/cooking': {
    body: 'M26 34h44v30a8 8 0 0 1-8 8H34a8 8 0 0 1-8-8z',
    mark: 'M40 76h16l4 8H36z',
    line: 'M20 34h56M70 42h12M36 26c-3-4 3-7 0-12M50 26c-3-4 3-7 0-12',
  },
  'outdoor/packs': {
    body: 'M28 32a20 20 0 0 1 40 0v44a6 6 0 0 1-6 6H34a6 6 0 0 1-6-6z',
    mark: 'M36 52h24v18H36z',
    line: 'M40 14a8 8 0 0 1 16 0M36 38h24M22 46v28M74 46v28',
  },
  'outdoor/sleep': {
    body: 'M34 14h28a12 12 0 0 1 12 12v40a20 20 0 0 1-52 0V26a12 12 0 0 1 12-12z',
    mark: 'M34 20h28v14H34z',
    line: 'M48 38v44M30 52h12M54 52h12',
  },
  'outdoor/tools': {
    body: 'M40 12h16v40H40z',
    mark: 'M36 52h24v30a4 4 0 0 1-4 4H40a4 4 0 0 1-4-4z',
    line: 'M48 18v26M42 62h12M42 70h12',
  },
  'kids-clothing': {
    body: 'M34 18c4 8 24 8 28 0l22 14-8 18-10-4v34H30V46l-10 4-8-18z',
    mark: 'M38 48h20v8H38z',
    line: 'M38 62h20',
  },
  'kids-clothing/bottoms': { body: 'M30 16h36l6 66H54l-6-40-6 40H24z', mark: 'M30 16h36l1 9H29z', line: 'M48 26v16' },
  'kids-clothing/footwear': {
    body: 'M26 18h22v30c4 8 30 6 34 22v6H26z',
    mark: 'M24 76h60v7H24z',
    line: 'M26 30h22M50 56l6-5M58 59l6-5',
  },
  garden: {
    body: 'M48 84c-4-20-4-36 0-48 4 12 4 28 0 48z',
    mark: 'M46 44C24 46 14 34 14 16c20 0 32 8 32 28zM50 56c20 2 32-8 32-26-20 0-32 6-32 26z',
    line: 'M22 24l22 18M76 36 52 54',
  },
  'garden/watering': {
    body: 'M30 36h32v42a6 6 0 0 1-6 6H36a6 6 0 0 1-6-6z',
    mark: 'M30 60 10 34l6-5 14 16z',
    line: 'M62 44c18-6 18 26 0 26M6 30l14-8M36 36c0-20 20-20 20 0',
  },
  'garden/pots': {
    body: 'M26 46h44l-6 38H32z',
    mark: 'M22 34h52v12H22z',
    line: 'M48 34c0-12-8-16-14-18M48 30c2-8 8-12 16-14',
  },
  'garden/digging': {
    body: 'M34 48h28v14c0 14-8 20-14 24-6-4-14-10-14-24z',
    mark: 'M44 20h8v28h-8z',
    line: 'M36 14h24v6H36zM48 56v18',
  },
  'audio-cables': {
    body: 'M20 20h22v16l-6 8v10h-10V44l-6-8z',
    mark: 'M54 52h22v16l-6 8v8H60v-8l-6-8z',
    line: 'M31 54v14c0 16 18 16 18 0V34c0-18 18-16 18 0v18M26 14v6M36 14v6',
  },
  'audio-cables/listening': {
    body: 'M16 52h12v28H20a8 8 0 0 1-8-8V60zM68 52h12l4 8v12a8 8 0 0 1-8 8h-8z',
    mark: 'M14 54C10 8 86 8 82 54h-8c2-34-54-34-52 0z',
  },
  'audio-cables/vinyl': {
    body: 'M48 12a36 36 0 1 1 0 72 36 36 0 0 1 0-72z',
    mark: 'M48 34a14 14 0 1 1 0 28 14 14 0 0 1 0-28z',
    line: 'M48 20a28 28 0 0 1 28 28M48 47v2',
  },
  'audio-cables/recording': {
    body: 'M38 14h20a4 4 0 0 1 4 4v30a14 14 0 0 1-28 0V18a4 4 0 0 1 4-4z',
    mark: 'M34 34h28v8H34z',
    line: 'M26 46a22 22 0 0 0 44 0M48 68v14M34 82h28',
  },
};

/** The outline for a category. */
export function glyphOf(category: string): Glyph {
  return GLYPHS[category] ?? GLYPHS[category.split('/')[0] ?? ''] ?? parcel;
}
