"""The only owners of sockets, threads, processes and files. They decide nothing."""
