# SPDX-License-Identifier: Apache-2.0
"""An empty package named tensorflow, so that tensorflow-tpu takes its place.

tensorflow-text, tf-keras and tf-models-official require a package of that name. With
the real one pip would unpack two wheels into one folder, and a TPU would not be found.
"""

from setuptools import setup

setup(name="tensorflow", version="2.20.0", packages=[], py_modules=[])
