/**
 * An item's picture, drawn rather than loaded: the outline of its category on a piece of cloth whose weave and shade follow from the
 * SKU, so that an item looks the same everywhere and no two look quite alike.
 */

import { type CSSProperties, memo } from 'react';
import { glyphOf } from './glyphs.tsx';

/** Dyers' hues, by category: degrees on the colour wheel. Others take one by their name. */
const HUES: Readonly<Record<string, number>> = {
  'coffee-tea': 55,
  pantry: 80,
  kitchen: 220,
  'home-textiles': 15,
  books: 270,
  stationery: 195,
  'toys-games': 35,
  bicycle: 245,
  outdoor: 135,
  'kids-clothing': 345,
  garden: 115,
  'audio-cables': 300,
};

const SIZE = 160;

/** A number from 0 to 2^32 - 1 that follows from a text (FNV-1a). */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const character of text) {
    value = Math.imul(value ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  return value >>> 0;
}

/** The picture. It says nothing that the item's name does not, and is hidden from screen readers. */
export const Picture = memo(function Picture({ sku, category }: { sku: string; category: string }) {
  const seed = hash(sku);
  const top = category.split('/')[0] ?? '';
  const hue = (HUES[top] ?? hash(top) % 360) + (seed % 21) - 10;
  const glyph = glyphOf(category);
  const tilt = ((seed >>> 8) % 9) - 4;
  return (
    <svg
      className="picture"
      viewBox={`0 0 ${SIZE} ${SIZE}`}
      preserveAspectRatio="xMidYMid slice"
      style={{ '--hue': hue } as CSSProperties}
      aria-hidden="true"
    >
      <rect className="picture-cloth" width={SIZE} height={SIZE} />
      <path className="picture-weave" d={weave(seed)} />
      <g transform={`translate(80 82) rotate(${tilt}) scale(1.06) translate(-48 -48)`}>
        <path className="picture-shadow" d={glyph.body} transform="translate(3 4)" />
        <path className="picture-body" d={glyph.body} fillRule="evenodd" />
        {glyph.mark && <path className="picture-mark" d={glyph.mark} />}
        {glyph.line && <path className="picture-line" d={glyph.line} />}
      </g>
    </svg>
  );
});

/** Threads of one of four weaves: plain, twill, basket, herringbone. */
function weave(seed: number): string {
  const kind = seed % 4;
  const step = 10 + ((seed >>> 4) % 3) * 2;
  const threads: string[] = [];
  for (let row = 0; row * step < SIZE + step; row += 1) {
    for (let column = 0; column * step < SIZE + step; column += 1) {
      if (isOver(kind, row, column)) {
        threads.push(`M${column * step} ${row * step + step / 2}h${step - 2}`);
      } else {
        threads.push(`M${column * step + step / 2 - 1} ${row * step + 1}v${step - 2}`);
      }
    }
  }
  return threads.join('');
}

function isOver(kind: number, row: number, column: number): boolean {
  switch (kind) {
    case 0:
      return (row + column) % 2 === 0;
    case 1:
      return (row + column) % 4 < 2;
    case 2:
      return (Math.floor(row / 2) + Math.floor(column / 2)) % 2 === 0;
    default:
      return (column % 8 < 4 ? row + column : row - column + 800) % 4 < 2;
  }
}
