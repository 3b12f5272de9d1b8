/** Every service and every RPC has a policy, and a service says a workload that can be named. */
import { reservedWorkloads, workloadPattern } from '../contract/vocabulary.ts';
import { type Check, durationOutOfRange, outOfRange, problemAt } from './check.ts';

export const everyServiceHasPolicy: Check = ({ services }) =>
  services
    .filter(({ policy }) => !policy)
    .map(({ desc, position }) => ({
      at: position,
      rule: 'service-policy',
      message: `${desc.typeName} has no policy`,
      mend: 'Add `option (weft.mesh.v1.service) = {workload: "..."};` to the service',
    }));

/** Statistics, pages of the reference and generated imports are named by it. */
export const everyServiceHasPackage: Check = ({ services }) =>
  services
    .filter(({ desc }) => desc.file.proto.package === '')
    .map(({ desc, position }) => ({
      at: position,
      rule: 'package',
      message: `${desc.typeName} is in no package`,
      mend: 'Add `package some.pkg.v1;` to the file',
    }));

/** The sidecars answer for these themselves, whatever a contract would say. */
export const builtinServicesAreLeftAlone: Check = ({ services }) =>
  services
    .filter(({ desc }) => /^grpc\.(health|reflection)\./.test(desc.typeName))
    .map(({ desc, position }) => ({
      at: position,
      rule: 'package',
      message: `${desc.typeName} is a service of every server`,
      mend: 'Leave it out of the contract: health and reflection are there without it',
    }));

export const everyMethodHasPolicy: Check = ({ methods }) =>
  [...methods.values()]
    .filter(({ policy }) => !policy)
    .map(({ fullName, position }) => ({
      at: position,
      rule: 'method-policy',
      message: `${fullName} has no policy`,
      mend: 'Add `option (weft.mesh.v1.method) = {...};` with at least a deadline and an exposure',
    }));

export const workloadsCanBeNamed: Check = ({ services }) =>
  services.flatMap((service) => {
    const { policy, desc } = service;
    if (!policy || (workloadPattern.test(policy.workload) && !reservedWorkloads.includes(policy.workload))) return [];
    const message = `${desc.typeName}: "${policy.workload}" is no name for a workload`;
    const mend = `Use 1 to 32 lower-case letters, digits and inner hyphens, and none of ${reservedWorkloads.join(', ')}`;
    return [problemAt(service, ['workload'], 'workload-name', message, mend)];
  });

export const serviceLimitsAreInRange: Check = ({ services }) =>
  services.flatMap((service) => {
    const { policy, desc } = service;
    const { maxConcurrentRequests = 0, outlierEjection: ejection } = policy ?? {};
    const name = desc.typeName;
    return [
      ...(maxConcurrentRequests !== 0
        ? outOfRange(service, ['maxConcurrentRequests'], maxConcurrentRequests, 'maxConcurrentRequests', name)
        : []),
      ...(ejection && ejection.consecutiveFailures !== 0
        ? outOfRange(
            service,
            ['outlierEjection', 'consecutiveFailures'],
            ejection.consecutiveFailures,
            'consecutiveFailures',
            name,
          )
        : []),
      ...(ejection?.baseEjectionTime
        ? durationOutOfRange(
            service,
            ['outlierEjection', 'baseEjectionTime'],
            ejection.baseEjectionTime,
            'baseEjectionTimeMs',
            name,
          )
        : []),
    ];
  });

/** Services of one workload share the callers' clusters, which have one ejection policy. */
export const workloadsEjectAlike: Check = ({ services }) =>
  services.flatMap((service) => {
    const ejection = service.policy?.outlierEjection;
    if (!ejection) return [];
    const first = services.find((s) => s.policy?.workload === service.policy?.workload && s.policy?.outlierEjection);
    if (!first || first === service) return [];
    const message = `${service.desc.typeName}: ${first.desc.typeName} states outlier_ejection for the same workload`;
    return [
      problemAt(service, ['outlierEjection'], 'outlier-ejection', message, 'State it on one service of a workload'),
    ];
  });
