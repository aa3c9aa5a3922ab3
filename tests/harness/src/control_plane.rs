//! A real kube-apiserver with etcd and a controller-manager, on loopback, gone with the process that started it.
