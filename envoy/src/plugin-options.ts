/** The plugin's options, `name=value` joined by commas, as buf passes them. */

import { InputError } from './input-error.ts';

/** What may be set. */
export interface PluginOptions {
  /** The folder of the buf module, such as `proto`. */
  readonly sourceRoot: string;
  /** The folder of the topologies. Absent: no Envoy configuration is written. */
  readonly topologies: string | undefined;
  /** Where the policy table goes, below the plugin's `out`. Absent: none is written. */
  readonly policyTable: string | undefined;
  /** Where the list of exposed services goes, below the plugin's `out`: in the folder of protoc-gen-es. Absent: none is written. */
  readonly exposedServices: string | undefined;
  /** Where the gRPC service configs go, below the plugin's `out`. Absent: none is written. */
  readonly serviceConfig: string | undefined;
  /** Where the API reference goes, below the plugin's `out`. Absent: none is written. */
  readonly reference: string | undefined;
  /** Where Prometheus rules go, below the plugin's `out`. Absent: none is written. */
  readonly alerts: string | undefined;
  /** Where Grafana dashboards go, below the plugin's `out`. Absent: none is written. */
  readonly dashboards: string | undefined;
}

const names: Readonly<Record<string, keyof PluginOptions>> = {
  source_root: 'sourceRoot',
  topologies: 'topologies',
  policy_table: 'policyTable',
  exposed_services: 'exposedServices',
  service_config: 'serviceConfig',
  reference: 'reference',
  alerts: 'alerts',
  dashboards: 'dashboards',
};

/** Parses the parameter of a request. Throws an InputError on an option that there is not, on one without a value, and on one that is set twice. */
export function parseOptions(parameter: string): PluginOptions {
  const options: Partial<Record<keyof PluginOptions, string>> = {};
  for (const part of parameter.split(',').filter((text) => text !== '')) {
    const [, name = '', value = ''] = /^([^=]*)=(.*[^/])\/?$/.exec(part) ?? [];
    const key = Object.hasOwn(names, name) ? names[name] : undefined;
    if (!key || value === '') {
      throw new InputError(`"${part}" is no option; there are ${Object.keys(names).join(', ')}, each with =value`);
    }
    if (options[key] !== undefined) throw new InputError(`option ${name} is set twice`);
    options[key] = value;
  }
  const { sourceRoot = '', topologies, policyTable, exposedServices, serviceConfig, reference } = options;
  const { alerts, dashboards } = options;
  return { sourceRoot, topologies, policyTable, exposedServices, serviceConfig, reference, alerts, dashboards };
}
