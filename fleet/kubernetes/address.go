package kubernetes

import (
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// address is the pod's base URL, "" until it has one.
func (d *Deployment) address(p *corev1.Pod) string {
	at := ""
	switch d.At {
	case AtAnnotation:
		at = p.Annotations[addressMark]
		if host, port, err := net.SplitHostPort(at); err != nil || host == "" || port == "" {
			at = ""
		}
	case AtHost:
		at = join(p.Status.HostIP, d.port(p).HostPort)
	default:
		at = join(p.Status.PodIP, d.port(p).ContainerPort)
	}
	if at == "" {
		return ""
	}
	return d.Scheme + "://" + at
}

func join(host string, port int32) string {
	if host == "" || port == 0 {
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// port is the port that the pod's servers listen on. One that no container
// names has no hostPort.
func (d *Deployment) port(p *corev1.Pod) corev1.ContainerPort {
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if d.Port == 0 || int(port.ContainerPort) == d.Port {
				return port
			}
		}
		if d.Port == 0 {
			break
		}
	}
	return corev1.ContainerPort{ContainerPort: int32(d.Port)}
}

// unreachable says why a pod that is ready has no address.
func (d *Deployment) unreachable(p *corev1.Pod) string {
	switch d.At {
	case AtAnnotation:
		return "ready, and has no annotation " + addressMark + " with host:port"
	case AtHost:
		return "ready, and its container has no hostPort for the port of its servers"
	}
	if p.Status.PodIP == "" {
		return "ready, and has no address yet"
	}
	return "ready, and no container names the port of its servers: give port"
}
