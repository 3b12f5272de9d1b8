// Reads the tables of the sample shop: rows of a CSV file by column name, with cells that must exist and whole numbers
// that must be whole numbers.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';

/** A row of a CSV file: column name to cell, as text. */
export type Row = Readonly<Record<string, string>>;

/** Text of a file of the sample shop, by its path below this folder. */
export const readText = (file: string): string => readFileSync(join(import.meta.dirname, file), 'utf8');

/** Rows of a CSV file of the sample shop, by its path below this folder. Throws where a row has too few or too many cells. */
export const readRows = (file: string): Row[] => parse(readText(file), { columns: true });

/** Ids of the carriers, in the order of the alphabet: the folders below `carriers/`. */
export const carrierIds: readonly string[] = readdirSync(join(import.meta.dirname, 'carriers')).toSorted();

/** The cell of a column that the file must have. Throws where it has none. */
export function cell(row: Row, column: string): string {
  const value = row[column];
  if (value === undefined) throw new Error(`no column ${column} among ${Object.keys(row).join()}`);
  return value;
}

/** A cell that holds a whole number, 0 or more, below 10^13. Throws on a sign, a decimal point, an exponent, an empty cell. */
export function int(row: Row, column: string): number {
  const value = cell(row, column);
  if (!/^(0|[1-9]\d{0,12})$/.test(value)) throw new Error(`${column} is not a whole number: ${JSON.stringify(row)}`);
  return Number(value);
}

/** All cells of a column, in the order of the rows. */
export const cells = (rows: readonly Row[], column: string): string[] => rows.map((row) => cell(row, column));

/** Rows by what they have in some columns, joined by a space. */
export const groupBy = (rows: readonly Row[], ...columns: string[]): Map<string, Row[]> =>
  Map.groupBy(rows, (row) => columns.map((column) => cell(row, column)).join(' '));

/** The three sides of an item or a carton in millimetres, longest first. */
export const sides = (row: Row): readonly [number, number, number] => [
  int(row, 'length_mm'),
  int(row, 'width_mm'),
  int(row, 'height_mm'),
];
