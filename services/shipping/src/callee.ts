/** A service of another workload, as far as the contracts let shipping call it. */

import type { DescService } from '@bufbuild/protobuf';
import type { policies } from '@weft/gen/weft/policy.ts';
import type { CallerClient } from '@weft/runtime/client/caller-client';

export type Callee<Desc extends DescService> = CallerClient<Desc, typeof policies, 'shipping'>;
