/* version - the product's version, "0.1.0", as meson.build says. */
#ifndef PROTO_SVC_VERSION_H
#define PROTO_SVC_VERSION_H

extern const char version_text[];

#endif
