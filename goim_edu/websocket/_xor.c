/* A payload XOR its key (RFC 6455 §5.3), as apply_mask in masking.py does it without this. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

static PyObject *xor_octets(PyObject *module, PyObject *args)
{
    Py_buffer payload, mask_key;
    if (!PyArg_ParseTuple(args, "y*y*", &payload, &mask_key))
        return NULL;
    Py_ssize_t size = payload.len, i = 0;
    PyObject *masked = mask_key.len == 4
        ? PyBytes_FromStringAndSize(NULL, size)
        : PyErr_Format(PyExc_ValueError, "a masking key has 4 octets");
    if (masked != NULL) {
        const char *restrict from = payload.buf;
        char *restrict to = PyBytes_AS_STRING(masked);
        uint32_t key, word;
        memcpy(&key, mask_key.buf, 4);
        for (; i + 4 <= size; i += 4) {
            memcpy(&word, from + i, 4);
            word ^= key;
            memcpy(to + i, &word, 4);
        }
        for (; i < size; i++)
            to[i] = from[i] ^ ((char *)&key)[i & 3];
    }
    PyBuffer_Release(&payload);
    PyBuffer_Release(&mask_key);
    return masked;
}

static PyMethodDef methods[] = {{"xor", xor_octets, METH_VARARGS, NULL}, {NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_xor", NULL, 0, methods};
PyMODINIT_FUNC PyInit__xor(void) { return PyModule_Create(&definition); }
