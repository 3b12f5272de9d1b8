/** The comment that stands before a declaration. */
import { getComments } from '@bufbuild/protoplugin';

/** Without the space after each comment marker; empty when there is none. */
export const commentOf = (desc: Parameters<typeof getComments>[0]): string =>
  (getComments(desc).leading ?? '').replaceAll(/^ /gm, '').trim();
