/** Who may call what: workload identities at the callee, scopes of the user's token at the edge. */
import { any, type BlockMap, extension, noted } from './block.ts';
import { filters, spiffeId, tokenMetadata } from './names.ts';

const rbacType = 'extensions.filters.http.rbac.v3';

/** RPC paths and the workloads that may call them. */
export interface Allowance {
  readonly path: string;
  readonly callers: readonly string[];
  readonly source: string;
}

/** The callee's filter: one policy per RPC, sorted; what no policy allows is denied. */
export function callerAllowList(trustDomain: string, allowances: readonly Allowance[]): BlockMap {
  const sorted = [...allowances].sort((a, b) => (a.path < b.path ? -1 : 1));
  const policies = sorted.map(({ path, callers, source }) => {
    const policy = {
      permissions: [{ url_path: { path: { exact: path } } }],
      principals: callers.map((caller) => ({
        authenticated: { principal_name: { exact: spiffeId(trustDomain, caller) } },
      })),
    };
    return [path.slice(1), noted(source, policy)] as const;
  });
  return extension(filters.rbac, `${rbacType}.RBAC`, {
    rules: { action: 'ALLOW', policies: Object.fromEntries(policies) },
  });
}

/** The edge's filter, which denies what no route allows. */
export const denyUnlessRouteAllows = (): BlockMap =>
  extension(filters.rbac, `${rbacType}.RBAC`, { rules: { action: 'ALLOW' } });

/** A route of the edge that needs a token with one of `scopes`. */
export const routeNeedsScope = (scopes: readonly string[]): BlockMap => ({
  [`envoy.${filters.rbac}`]: any(`${rbacType}.RBACPerRoute`, {
    rbac: {
      rules: {
        action: 'ALLOW',
        policies: { scopes: { permissions: [{ any: true }], principals: scopes.map(holdsScope) } },
      },
    },
  }),
});

/** A route of the edge that anyone may use. */
export const routeIsOpen = (): BlockMap => ({ [`envoy.${filters.rbac}`]: any(`${rbacType}.RBACPerRoute`) });

const holdsScope = (scope: string): BlockMap => ({
  sourced_metadata: {
    metadata_matcher: {
      filter: tokenMetadata.namespace,
      path: [{ key: tokenMetadata.payload }, { key: 'scope' }],
      value: { list_match: { one_of: { string_match: { exact: scope } } } },
    },
  },
});
