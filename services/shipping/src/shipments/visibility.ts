/** Whose shipments the caller may see: their own, or with `orders:read` everyone's. The user is who the token says, never a field. */

import { hasScope, requireSubject } from '@weft/runtime/server/caller';

/** The customer whose shipments the caller is limited to; undefined for those who see all. */
export type Visibility = { readonly customerId: string | undefined };

/** @throws UNAUTHENTICATED without a user. */
export function visibility(): Visibility {
  const customerId = requireSubject();
  return { customerId: hasScope('orders:read') ? undefined : customerId };
}
